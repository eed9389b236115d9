// expect: monitor_gave_up is called with the arbiter and the reason
#include <magnetar/magnetar.hpp>

using namespace magnetar;

int wrong() {
    return Arbiter<>({.monitor_gave_up = [](Arbiter<>&, int) {}}).run();
}
