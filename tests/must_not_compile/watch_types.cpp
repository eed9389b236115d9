// expect: the lambda passed to watch() must accept the watching actor, the ended actor and its exit status
#include <magnetar/magnetar.hpp>

using namespace magnetar;

void wrong(ActorProxy<> other) {
    watch(other, [](Actor<>&, int code) { (void)code; });
}
