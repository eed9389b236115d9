// One error, and no others after it.
// flags: -std=c++17
// expect: magnetar needs C++20: compile with -std=c++20 or later
// expect: see the error above
#include <magnetar/base/errors.hpp>

int main() {}
