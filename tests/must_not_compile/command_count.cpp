// expect: the arguments do not match the command's parameters: their number or types differ
// alone
#include <magnetar/magnetar.hpp>

using namespace magnetar;

int add(Actor<>&, int a, int b) { return a + b; }

Task<> wrong(ActorProxy<> actor) { co_await send(actor, run<add>, 1); }
