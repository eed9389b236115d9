// expect: on_params is called with the actor and its child's parameters
#include <magnetar/magnetar.hpp>

using namespace magnetar;

Task<> wrong() {
    co_await spawn({.on_params = [](Actor<>&, std::string) {}});
}
