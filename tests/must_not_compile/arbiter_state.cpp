// expect: the actor's state cannot be made from these arguments: give Arbiter what its constructor or its
// braces take
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Ledger {
    int total;
};
int wrong() { return Arbiter<Ledger>({}, "a text").run(); }
