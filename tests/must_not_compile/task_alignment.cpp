// expect: the result type of a task may have an alignment of at most 16 bytes
#include <magnetar/magnetar.hpp>

struct alignas(64) Line {
    int first = 0;
};
magnetar::Task<Line> wrong() { co_return Line{}; }
