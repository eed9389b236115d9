// expect: a hook returns nothing; start, stopping and periodic_task may be coroutines that return Task<>
#include <magnetar/magnetar.hpp>

using namespace magnetar;

Task<> wrong() {
    co_await spawn({.start = [](Actor<>&) { return 3; }});
}
