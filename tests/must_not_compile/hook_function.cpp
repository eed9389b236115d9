// expect: a hook is a lambda or a class without members, not a function's address
#include <magnetar/magnetar.hpp>

using namespace magnetar;

void begin(Arbiter<>& self) { self.stop(); }
int wrong() { return Arbiter<>({.start = begin}).run(); }
