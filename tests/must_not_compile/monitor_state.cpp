// expect: the actor's state cannot be made from these arguments: pass add_monitor the arguments of its constructor
// braces take
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Worker {
    int handled = 0;
};
Task<> wrong(Arbiter<>& self) { co_await self.add_monitor<Worker>({.name = "pool"}, "a text"); }
