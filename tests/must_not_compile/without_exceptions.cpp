// One error, and no others after it.
// flags: -fno-exceptions
// expect: magnetar reports errors as exceptions: compile without -fno-exceptions
// expect: see the error above
#include <magnetar/base/errors.hpp>

int main() {}
