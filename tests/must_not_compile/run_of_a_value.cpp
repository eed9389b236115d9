// expect: run takes a function, a member function of the actor's state, or a lambda without captures
#include <magnetar/magnetar.hpp>

using namespace magnetar;

auto wrong = run<42>;
