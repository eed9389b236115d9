// expect: the actor's state cannot be made from these arguments
#include <magnetar/magnetar.hpp>

using namespace magnetar;

Task<> wrong() { co_await spawn({.name = "nobody"}, 7); }
