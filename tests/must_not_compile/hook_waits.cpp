// expect: a hook returns nothing
#include <magnetar/magnetar.hpp>

using namespace magnetar;

Task<> wrong() {
    co_await spawn({.on_info = [](Actor<>&, Json&) -> Task<> { co_return; }});
}
