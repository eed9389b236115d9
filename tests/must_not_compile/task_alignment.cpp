// expect: what a task gives may be aligned to 16 bytes at most
#include <magnetar/magnetar.hpp>

struct alignas(64) Line {
    int first = 0;
};
magnetar::Task<Line> wrong() { co_return Line{}; }
