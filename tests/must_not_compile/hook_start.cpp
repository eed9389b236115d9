// expect: start is called with the actor
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Counter {
    int total = 0;
};
struct Clock {};
Task<> wrong() {
    co_await spawn<Counter>({.start = [](Actor<Clock>&) {}});
}
