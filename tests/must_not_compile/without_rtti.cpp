// One error, and no others after it.
// flags: -fno-rtti
// expect: magnetar names the types of exceptions: compile without -fno-rtti
// expect: see the error above
#include <magnetar/base/errors.hpp>

int main() {}
