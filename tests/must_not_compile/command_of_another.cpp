// expect: this command belongs to another actor type: send it to a proxy of the type that has it
// alone
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Lamp {
    bool on = false;
    void light() { on = true; }
};
struct Window {};
int lit(Actor<Lamp>& self) { return self.state().on; }

Task<> wrong(ActorProxy<Window> window) { co_await send(window, run<lit>); }
