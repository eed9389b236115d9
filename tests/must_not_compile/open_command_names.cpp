// expect: Named gives all of a command's parameters a name, or none
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Lamp {
    void shine(int from, int to) { light = to - from; }
    int light = 0;
    using commands = Commands<Named<"shine", &Lamp::shine, "from">>;
};

Task<> wrong() { co_await spawn<Lamp>({.name = "lamp"}); }
