// expect: this message cannot leave its process
// expect: in_process
// expect: result
// expect: a pointer
#include <magnetar/magnetar.hpp>

using namespace magnetar;

int* address(Actor<>&) { return nullptr; }

Task<> wrong(ActorProxy<> actor) { co_await send(actor, run<address>); }
