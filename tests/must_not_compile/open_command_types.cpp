// expect: an open command's parameters and result must be types that the codec knows
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Lamp {
    void* address() { return this; }
    using commands = Commands<&Lamp::address>;
};

Task<> wrong() { co_await spawn<Lamp>({.name = "lamp"}); }
