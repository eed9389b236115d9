// expect: the actor's state cannot be made from these arguments: pass Arbiter the arguments of its constructor
// braces take
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Ledger {
    int total;
};
int wrong() { return Arbiter<Ledger>({}, "a text").run(); }
