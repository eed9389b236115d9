// expect: on_info is called with the actor and its information
#include <magnetar/magnetar.hpp>

using namespace magnetar;

Task<> wrong() {
    co_await spawn({.on_info = [](Actor<>&) {}});
}
