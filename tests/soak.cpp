// Everything at once, for a long time: what of memory and descriptors grows? Run by `./dev soak SECONDS`,
// outside CI.
//
// An arbiter whose workers are processes, threads and coroutines, with an echo server whose clients come and
// go, requests to all kinds, actors that are born, stopped and killed, a monitor whose workers are killed and
// reloaded.
#include <dirent.h>
#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <typeinfo>

#include <array>
#include <chrono>
#include <magnetar/magnetar.hpp>

using namespace magnetar;
using namespace std::chrono_literals;

namespace {

struct Worker {
    int process() { return ::getpid(); }
    std::string echo(std::string text) { return text; }
};
struct Clients {
    Task<int> visit(std::string address, int messages) {
        Stream stream = co_await connect(address);
        std::string message(100, 'x');
        for (int i = 0; i < messages; ++i) {
            co_await stream.write(message);
            std::string answer = co_await stream.read_exactly(message.size());
            if (answer != message) throw std::runtime_error("an echo is not what was sent");
        }
        co_return messages;
    }
};
Task<> echo_back(Connection& client) {
    while (auto data = co_await client.read_some()) co_await client.write(data);
}

struct Counts {
    std::uint64_t echoes = 0, requests = 0, lost = 0, births = 0, kills = 0, reloads = 0, failures = 0;
} counts;
int seconds = 60;

// ---- what goes on; each for ever

Task<> visit(ActorProxy<Clients> clients, std::string address) {
    for (;;) counts.echoes += static_cast<std::uint64_t>(co_await clients.send<&Clients::visit>(address, 50));
}
Task<> ask(ActorProxy<Worker> worker) {
    for (;;) {
        for (int i = 0; i < 100; ++i) {
            std::string text = co_await worker.send<&Worker::echo>("a question of some length");
            if (text != "a question of some length")
                throw std::runtime_error("an answer is not what was asked");
            ++counts.requests;
        }
        co_await sleep(1ms);
    }
}
// Asks workers that may be killed at any time.
Task<> ask_any(Monitor<Worker>& pool) {
    for (;;) {
        try {
            co_await pool.send<&Worker::echo>("a question");
            ++counts.requests;
        } catch (const ActorLost&) {
            ++counts.lost;
        } catch (const ActorNotFound&) {
            ++counts.lost;
        }
        co_await sleep(1ms);
    }
}
Task<> give_birth(Concurrency kind, std::chrono::milliseconds every) {
    for (bool stop = true;; stop = !stop) {
        auto actor = co_await spawn<Worker>({.concurrency = kind});
        co_await actor.send<&Worker::echo>("hello");
        ++counts.births;
        if (stop || kind != Concurrency::process) {
            co_await actor.stop();
        } else {
            int process = co_await actor.send<&Worker::process>();
            ::kill(process, SIGKILL);
            ++counts.kills;
        }
        co_await actor.closed();
        co_await sleep(every);
    }
}
Task<> kill_some(Monitor<Worker>& pool) {
    for (;;) {
        co_await sleep(700ms);
        try {
            int process = co_await pool.send<&Worker::process>();
            ::kill(process, SIGKILL);
            ++counts.kills;
        } catch (const std::exception&) {
            ++counts.lost;
        }
    }
}
Task<> reload(Monitor<Worker>& pool) {
    for (;;) {
        co_await sleep(3s);
        co_await pool.reload();
        ++counts.reloads;
    }
}
Task<> watched(Task<> activity) {
    try {
        co_await std::move(activity);
    } catch (const std::exception& error) {
        ++counts.failures;
        fmt::print("FAILED: {}: {}\n", demangled(typeid(error).name()), error.what());
    }
}

// ---- what is measured

struct Sample {
    double rss = 0, fds = 0;  // KiB, number
};
Sample sample(int process) {
    Sample now;
    auto folder = fmt::format("/proc/{}", process);
    if (std::FILE* file = std::fopen((folder + "/statm").c_str(), "r")) {
        unsigned long all = 0, find_local = 0;
        if (std::fscanf(file, "%lu %lu", &all, &find_local) == 2)
            now.rss = static_cast<double>(find_local) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1024;
        std::fclose(file);
    }
    if (DIR* fds = ::opendir((folder + "/fd").c_str())) {
        while (dirent* entry = ::readdir(fds)) now.fds += entry->d_name[0] != '.';
        ::closedir(fds);
    }
    return now;
}
// Growth a minute, by least squares, after a first third in which caches fill.
double slope(const std::vector<Sample>& samples, double Sample::* what, double every) {
    std::size_t first = samples.size() / 3, n = samples.size() - first;
    double x = 0, y = 0, xx = 0, xy = 0, count = static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) {
        double time = static_cast<double>(i) * every / 60, value = samples[first + i].*what;
        x += time, y += value, xx += time * time, xy += time * value;
    }
    double spread = count * xx - x * x;
    return spread > 0 ? (count * xy - x * y) / spread : 0;
}

Task<> measure(ActorProxy<Worker> steady, Monitor<Worker>& pool) {
    int every = std::max(1, std::min(10, seconds / 6)),
        steady_process = co_await steady.send<&Worker::process>();
    std::vector<Sample> master, worker, others;
    fmt::print("{:>6} {:>12} {:>14} {:>14}   (KiB resident, descriptors)\n", "s", "master", "steady worker",
               "the reloaded");
    for (int at = every; at <= seconds; at += every) {
        co_await sleep(std::chrono::seconds(every));
        master.push_back(sample(::getpid()));
        worker.push_back(sample(steady_process));
        Sample sum;
        for (auto& one : pool.managed_actors()) {
            try {
                int process = co_await one.send<&Worker::process>();
                Sample its = sample(process);
                sum.rss += its.rss, sum.fds += its.fds;
            } catch (const std::exception&) {
                ++counts.lost;
            }
        }
        others.push_back(sum);
        fmt::print(
            "{:6} {:8.0f} {:3.0f} {:10.0f} {:3.0f} {:10.0f} {:3.0f}   {} echoes, {} requests, {} lost, {} births, {} kills, {} reloads\n",
            at, master.back().rss, master.back().fds, worker.back().rss, worker.back().fds, sum.rss, sum.fds,
            counts.echoes, counts.requests, counts.lost, counts.births, counts.kills, counts.reloads);
        std::fflush(stdout);
    }
    double x = every;
    fmt::print(
        "growth a minute: master {:.1f} KiB, {:.2f} descriptors; steady worker {:.1f} KiB, {:.2f}; the reloaded {:.1f} KiB, {:.2f}\n",
        slope(master, &Sample::rss, x), slope(master, &Sample::fds, x), slope(worker, &Sample::rss, x),
        slope(worker, &Sample::fds, x), slope(others, &Sample::rss, x), slope(others, &Sample::fds, x));
}

Task<> soak(Arbiter<>& self) {
    TcpServer server{echo_back};
    co_await server.start_serving("127.0.0.1:0");
    auto address = server.address().to_string();
    auto clients = co_await spawn<Clients>({.concurrency = Concurrency::thread});
    auto steady = co_await spawn<Worker>({.name = "steady"});
    auto& pool = co_await self.add_monitor<Worker>({
        .name = "pool",
        .workers = 3,
        .restarts = 1'000'000,
        .max_backoff = 100ms,
    });
    std::vector<Task<>> activities;
    for (int i = 0; i < 8; ++i) activities.push_back(visit(clients, address));
    activities.push_back(ask(steady));
    constexpr std::array others{Concurrency::thread, Concurrency::coroutine};
    for (auto kind : others) {
        auto worker = co_await spawn<Worker>({.concurrency = kind});
        activities.push_back(ask(worker));
    }
    activities.push_back(ask_any(pool));
    activities.push_back(give_birth(Concurrency::process, 200ms));
    activities.push_back(give_birth(Concurrency::thread, 50ms));
    activities.push_back(give_birth(Concurrency::coroutine, 1ms));
    activities.push_back(kill_some(pool));
    activities.push_back(reload(pool));
    std::vector<Job<>> jobs;
    for (auto& activity : activities) jobs.push_back(self.loop().start(watched(std::move(activity))));
    co_await measure(steady, pool);
    for (auto& job : jobs) job.cancel();
    co_await server.close();
}

}  // namespace

int main(int count, char** words) {
    if (count > 1) seconds = std::max(1, std::atoi(words[1]));
    log_level() = LogLevel::error;  // that workers are killed is no news
    int code = Arbiter<>({
                             .start = [](Arbiter<>& self) -> Task<> {
                                 co_await soak(self);
                                 self.stop();
                             },
                         })
                   .run();
    bool all = counts.echoes && counts.requests && counts.births && counts.kills;
    return code == 0 && counts.failures == 0 && all ? 0 : 1;
}
