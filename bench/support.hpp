// Shared by the benchmarks: time, medians, a row of the table.
#pragma once
#include <fmt/core.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

class Stopwatch {
public:
    double ns() const {
        return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start_).count();
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The same measurement several times; the result is the median:
//
//     Samples times;
//     while (times.more()) {
//         Stopwatch watch;
//         ...
//         times.add(watch.ns() / count);
//     }
class Samples {
public:
    explicit Samples(std::size_t wanted = 7) : wanted_(wanted) {}
    bool more() const { return values_.size() < wanted_; }
    void add(double value) { values_.push_back(value); }
    double median() const {
        auto sorted = values_;
        std::sort(sorted.begin(), sorted.end());
        return sorted[sorted.size() / 2];
    }

private:
    std::size_t wanted_;
    std::vector<double> values_;
};

// The median of `f()`, which returns a number.
template <class F>
double median(F f) {
    Samples samples;
    while (samples.more()) samples.add(f());
    return samples.median();
}

// Keeps the compiler from removing an unused result.
template <class T>
void keep(const T& value) {
    asm volatile("" : : "r,m"(value) : "memory");
}

// Pins the thread, and the threads that it makes, to this core.
inline void pin(int cpu, pthread_t thread = pthread_self()) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    pthread_setaffinity_np(thread, sizeof set, &set);
}

inline std::string number(double value) {
    return value < 10    ? fmt::format("{:.2f}", value)
           : value < 100 ? fmt::format("{:.1f}", value)
                         : fmt::format("{:.0f}", value);
}

inline void header() {
    fmt::print("{:<52} {:>10} {:>10} {:>7}   {}\n", "", "floor", "magnetar", "ratio", "goal");
}
// One workload: the floor is a raw program without any framework, measured in the same run; 0 where there is
// none.
inline void row(std::string_view workload, std::string_view unit, double floor, double ours,
                std::string_view goal) {
    std::string raw = floor == 0 ? "" : number(floor),
                ratio = floor == 0 ? "" : fmt::format("{:.2f}", ours / floor);
    fmt::print("{:<52} {:>10} {:>10} {:>7}   {}\n", fmt::format("{}, {}", workload, unit), raw, number(ours),
               ratio, goal);
    std::fflush(stdout);
}

}  // namespace bench
