// expect: this message cannot leave its process
// expect: parameter 2.list[] value.bad
// expect: an enumeration without a fixed
#include <magnetar/magnetar.hpp>

#include <map>
#include <vector>

using namespace magnetar;

enum Plain { a, b };
struct Inner {
    int good;
    Plain bad;
};
struct Outer {
    int x;
    std::vector<std::map<int, Inner>> list;
};

void take(Actor<>&, int, Outer) {}

Task<> wrong(ActorProxy<> actor) { co_await send(actor, run<take>, 1, Outer()); }
