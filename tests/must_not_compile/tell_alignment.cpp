// expect: arguments sent to another thread must not need more alignment than std::max_align_t
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct alignas(64) Line {
    int first = 0;
};
struct Cache {
    static constexpr bool in_process = true;
    void keep(Line line) { kept = line.first; }
    int kept = 0;
};
bool wrong(ActorProxy<Cache> cache) { return cache.try_tell<&Cache::keep>(Line{1}); }
