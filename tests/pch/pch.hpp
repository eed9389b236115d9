// What every test file includes, parsed once.
#include <doctest/doctest.h>

#include <magnetar/magnetar.hpp>
