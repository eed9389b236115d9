// expect: an actor is spawned when this is awaited: co_await it
// flags: -Werror=unused-result
#include <magnetar/magnetar.hpp>

using namespace magnetar;

Task<> wrong() {
    spawn({.name = "nobody"});
    co_return;
}
