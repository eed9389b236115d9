// expect: a hook is stateless: its lambda must not capture
#include <magnetar/magnetar.hpp>

using namespace magnetar;

int wrong(std::string greeting) {
    return Arbiter<>({.start = [greeting](Arbiter<>& self) { self.log().info("{}", greeting); }}).run();
}
