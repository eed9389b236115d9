#include <magnetar/src.hpp>
