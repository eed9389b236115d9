// expect: undo of shield must not capture: it runs after the awaiting job has gone
#include <magnetar/loop/shield.hpp>

using namespace magnetar;

Task<int> acquire();

Task<> wrong(int& held) {
    co_await shield(acquire(), [&held](int) { --held; });
}
