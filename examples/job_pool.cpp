// Work for all cores: one worker process for each core. The job is cut into pieces, each piece goes to the
// worker with the fewest requests, and progress is reported meanwhile.
//
//     job_pool --workers 8 --limit 5000000 --pieces 64
#include <fmt/core.h>

#include <cstdint>
#include <cstdio>
#include <vector>

#include <magnetar/app.hpp>
#include <magnetar/coro/when_all.hpp>

using namespace magnetar;

struct Settings {
    std::uint32_t limit = 200'000;
    std::uint32_t pieces = 20;

    static constexpr Help help[] = {{"limit", "primes below it are counted"},
                                    {"pieces", "that the job is cut into"}};
};

// It blocks its own process only.
struct Counter {
    std::uint32_t primes(std::uint32_t from, std::uint32_t to) {
        std::uint32_t count = 0;
        for (std::uint32_t n = from; n < to; ++n) count += is_prime(n);
        return count;
    }
    static bool is_prime(std::uint32_t n) {
        for (std::uint32_t d = 2; std::uint64_t{d} * d <= n; ++d)
            if (n % d == 0) return false;
        return n > 1;
    }
};

struct Progress {
    std::uint32_t pieces, done = 0;

    void one_more() {
        ++done;
        if (done * 4 / pieces == (done - 1) * 4 / pieces) return;
        fmt::print("{} %\n", done * 4 / pieces * 25);
        std::fflush(stdout);
    }
};

Task<std::uint32_t> count(Monitor<Counter>& pool, Progress& progress, std::uint32_t from, std::uint32_t to) {
    auto found = co_await pool.send<&Counter::primes>(from, to);
    progress.one_more();
    co_return found;
}

Task<> count_all(Monitor<Counter>& pool) {
    auto& [limit, pieces] = settings<Settings>();
    Progress progress{pieces};
    std::vector<Task<std::uint32_t>> parts;
    for (std::uint64_t i = 0; i < pieces; ++i)
        parts.push_back(count(pool, progress, static_cast<std::uint32_t>(limit * i / pieces),
                              static_cast<std::uint32_t>(limit * (i + 1) / pieces)));
    std::uint32_t primes = 0;
    for (auto found : co_await when_all(std::move(parts))) primes += found;
    fmt::print("{} primes below {}\n", primes, limit);
    arbiter()->stop();
}

int main(int argc, char** argv) {
    return Application<Counter, Settings>(
               {
                   .name = "job_pool",
                   .workers = 2,
                   .routing = Routing::least_loaded,
                   .started = [](Monitor<Counter>& pool) { return count_all(pool); },
               })
        .start(argc, argv);
}
