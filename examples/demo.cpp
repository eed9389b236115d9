// A tour: one type of actor in a process, on a thread and as a coroutine; typed messages and messages by
// name; an actor is killed; the list of actors; the throughput.
#include <fmt/core.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <array>
#include <csignal>

#include <chrono>
#include <magnetar/magnetar.hpp>

using namespace magnetar;
using namespace std::chrono_literals;

struct Place {
    int process = 0;
    int thread = 0;
};

struct Primes {
    int asked = 0;

    Place place() { return {::getpid(), static_cast<int>(::syscall(SYS_gettid))}; }
    int below(int limit) {
        if (limit < 0) throw std::domain_error(fmt::format("there is nothing to count below {}", limit));
        ++asked;
        int found = 0;
        for (int n = 2; n < limit; ++n) {
            bool prime = true;
            for (int divisor = 2; prime && divisor * divisor <= n; ++divisor) prime = n % divisor != 0;
            found += prime;
        }
        return found;
    }
    Task<> think() { co_await sleep(1h); }
};

// A command with a name: other programs, and other languages, can call it.
std::string greet(Request& request, std::string who) {
    return fmt::format("{} greets {}", request.actor().name(), who);
}
inline constexpr Command<"greet", greet> greeting;

void headline(const char* text) { fmt::print("\n-- {}\n", text); }

Task<> speak(const std::vector<ActorProxy<Primes>>& actors) {
    headline("one type of actor, three places to live");
    for (auto& actor : actors) {
        Place place = co_await actor.send<&Primes::place>();
        int found = co_await actor.send<&Primes::below>(100'000);
        fmt::print("{:<10} process {}, thread {}: {} primes below 100000\n", actor.name(), place.process,
                   place.thread, found);
    }
    headline("by name, JSON in and JSON out; errors keep their type across processes");
    Json reply = co_await send("process", "greet", "you");
    fmt::print("send(\"process\", \"greet\", \"you\")  ->  {}\n", reply.dump());
    try {
        co_await actors[0].send<&Primes::below>(-1);
    } catch (const RemoteError& error) {
        fmt::print("below(-1)  ->  {}: {} (thrown in {})\n", error.type(), error.what(), error.actor());
    }
}

Task<std::string> outcome_of_thinking(ActorProxy<Primes> actor) {
    std::string outcome = "an answer";
    try {
        co_await actor.send<&Primes::think>();
    } catch (const ActorLost& lost) {
        outcome = fmt::format("ActorLost: {}", lost.what());
    }
    co_return outcome;
}

Task<> kill_one(ActorProxy<Primes> victim) {
    headline("kill -9");
    Place place = co_await victim.send<&Primes::place>();
    auto waiting = get_actor()->loop().start(outcome_of_thinking(victim));
    co_await yield();
    ::kill(place.process, SIGKILL);
    std::string outcome = co_await waiting;
    fmt::print("the request in flight got   {}\n", outcome);
    ExitStatus status = co_await victim.closed();
    fmt::print("closed() tells everyone     {} {}\n", victim.name(), status.to_string());
    try {
        co_await send(victim, ping);
    } catch (const ActorNotFound& gone) {
        fmt::print("the next request gets       ActorNotFound: {}\n", gone.what());
    }
}

void print_tree(const Json& actors, const Json& root, int depth) {
    auto id = root["id"].get<std::string>();
    fmt::print("{:{}}{} ({}, {})\n", "", depth * 3, root["name"].get<std::string>(),
               root["concurrency"].get<std::string>(), id);
    for (auto& actor : actors.items())
        if (actor["manager"].get<std::string>() == id && actor["id"] != root["id"])
            print_tree(actors, actor, depth + 1);
}

Task<> measure(ActorProxy<Primes> actor, int count) {
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) co_await actor.send<&Primes::below>(2);
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    fmt::print("{:<10} {:>12.0f} requests and answers a second, one after another\n", actor.name(),
               count / took.count());
}

int main() {
    Arbiter<> arbiter({
        .start = [](Arbiter<>& self) -> Task<> {
            std::vector<ActorProxy<Primes>> actors;
            constexpr std::array kinds{Concurrency::process, Concurrency::thread, Concurrency::coroutine};
            for (auto kind : kinds)
                actors.push_back(co_await spawn<Primes>({.name = to_string(kind), .concurrency = kind}));
            co_await speak(actors);

            auto victim = co_await spawn<Primes>({.name = "victim"});
            co_await kill_one(victim);

            headline("the actors");
            Json info = co_await self.proxy().info();
            for (auto& actor : info["actors"].items())
                if (actor["id"] == "arbiter") print_tree(info["actors"], actor, 0);

            headline("how fast");
            co_await measure(actors[0], 20'000);
            co_await measure(actors[1], 100'000);
            co_await measure(actors[2], 2'000'000);
            self.stop();
        },
    });
    return arbiter.run();
}
