// Work for a pool of worker processes, with a deadline for each attempt and a new attempt when a worker
// crashes or is too slow. One page crashes its worker and one hangs: both succeed in the end. A third one
// fails, and its error is reported.
#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <magnetar/loop/detail/attempt.hpp>
#include <magnetar/magnetar.hpp>
#include <stdexcept>
#include <string>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;

struct Page {
    int number = 0;
    int attempt = 1;
};

// A worker's state; its member functions are its commands. Each worker is a process of its own.
struct Renderer {
    Task<std::string> render(Page page) {
        if (page.number == 3 && page.attempt == 1) std::abort();               // a bug: the process dies
        if (page.number == 5 && page.attempt == 1) co_await sleep(1h);         // hangs
        if (page.number == 7) throw std::invalid_argument("page 7 is blank");  // an answer like any other
        co_await sleep(5ms);
        co_return fmt::format("<page {}>", page.number);
    }
};

// The result of one page, or its error.
struct Rendered {
    std::string text;
    int attempts = 0;
};

Task<Rendered> render_with_retries(Monitor<Renderer>& pool, int number) {
    constexpr int most = 5;
    std::string why;
    for (Page page{number}; page.attempt <= most; ++page.attempt) {
        try {
            auto worker = pool.pick();
            // The deadline is sent with the request: after it the worker does not even start.
            std::string text = co_await with_timeout(500ms, worker.send<&Renderer::render>(page));
            co_return Rendered{text, page.attempt};
        } catch (const RemoteError& error) {  // the command threw, and would throw again
            co_return Rendered{fmt::format("{}: {}", error.type(), error.what()), page.attempt};
        } catch (const ActorLost& error) {  // the worker died; the monitor has begun to replace it
            why = error.what();
        } catch (const ActorNotFound& error) {
            why = error.what();
        } catch (const TimeoutError& error) {
            why = error.what();
        }
        fmt::print(stderr, "page {}, attempt {}: {}\n", number, page.attempt, why);
        co_await sleep(20ms * page.attempt);
    }
    co_return Rendered{"given up: " + why, most};
}

Task<> render_all(Arbiter<>& self) {
    auto& pool = co_await self.add_monitor<Renderer>(
        {.name = "pool", .workers = 3, .routing = Routing::least_loaded, .restarts = 10, .backoff = 10ms});
    std::vector<Task<Rendered>> pages;
    for (int number = 1; number <= 8; ++number) pages.push_back(render_with_retries(pool, number));
    auto rendered = co_await when_all(std::move(pages));
    for (std::size_t i = 0; i < rendered.size(); ++i)
        fmt::print("page {}: {} (attempts: {})\n", i + 1, rendered[i].text, rendered[i].attempts);
    Json told = co_await pool.proxy().info();
    fmt::print("workers replaced: {}\n", told["monitor"]["restarts"].get<int>());
    self.stop();
}

int main() {
    Arbiter<> arbiter({.start = [](Arbiter<>& self) { return render_all(self); }});
    return arbiter.run();
}
