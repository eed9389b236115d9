// expect: a message is sent when it is awaited: co_await it
// flags: -Werror=unused-result
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Lamp {
    void light() {}
};
Task<> wrong(ActorProxy<Lamp> lamp) {
    lamp.send<&Lamp::light>();
    co_return;
}
