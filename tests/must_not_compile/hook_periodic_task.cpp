// expect: periodic_task is called with the actor
#include <magnetar/magnetar.hpp>

using namespace magnetar;

Task<> wrong() {
    co_await spawn({.periodic_task = [](int) {}});
}
