// expect: the lambda passed to watch() must not capture
#include <magnetar/magnetar.hpp>

using namespace magnetar;

void wrong(ActorProxy<> other, int limit) {
    watch(other, [limit](Actor<>& self, ActorProxy<>, ExitStatus status) {
        if (status.code() > limit) self.stop();
    });
}
