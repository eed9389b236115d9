// expect: stopping is called with the actor
#include <magnetar/magnetar.hpp>

using namespace magnetar;

Task<> wrong() {
    co_await spawn({.stopping = [] {}});
}
