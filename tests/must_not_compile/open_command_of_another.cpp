// expect: an actor type can open its own commands, and functions that any actor can carry out
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Lamp {
    int light() { return 1; }
};
struct Window {
    using commands = Commands<&Lamp::light>;
};

Task<> wrong() { co_await spawn<Window>({.name = "window"}); }
