// expect: watch() calls it with the actor, who has ended, and how
#include <magnetar/magnetar.hpp>

using namespace magnetar;

void wrong(ActorProxy<> other) {
    watch(other, [](Actor<>&, int code) { (void)code; });
}
