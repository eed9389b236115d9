#include <signal.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <system_error>

#include <magnetar/actor/supervision/fork_server.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>

#include "../support.hpp"

#include "../../support/captured_log.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

detail::ForkServer& server() { return *detail::the_supervisor->fork_server; }
int parent_of(Actor<>&) { return ::getppid(); }
int group_of(Actor<>&) { return ::getpgrp(); }

void run_nothing(std::span<const std::byte>, std::vector<UniqueFd>) {}
std::string process_name(int pid) {
    char text[32] = {};
    if (UniqueFd file{::open(fmt::format("/proc/{}/comm", pid).c_str(), O_RDONLY | O_CLOEXEC)})
        if (::read(file.get(), text, sizeof text - 1) < 0) return {};
    return std::string(text, std::strcspn(text, "\n"));
}
void kill_and_wait(int pid) {
    Watched watched(pid);
    ::kill(pid, SIGKILL);
    CHECK(watched.gone(10s));
}
std::size_t children_here() { return children_of(::getpid()).size(); }
auto whole_again() {
    return until([] { return server().pids().size() == fork_servers && children_here() == fork_servers; });
}
bool is_ignored(int signal) {
    struct sigaction action{};
    ::sigaction(signal, nullptr, &action);
    return action.sa_handler == SIG_IGN;
}
int ignored_signals(Actor<>&) {
    int count = 0;
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE})
        count += is_ignored(signal);
    return count;
}
Task<std::string> answer_of(ActorProxy<> actor) { co_return co_await send(actor, ping); }
Task<std::string> answer_of_a_new_one() {
    auto actor = co_await spawn({});
    auto answer = co_await answer_of(actor);
    co_await actor.stop();
    co_await actor.closed();
    co_return answer;
}

}  // namespace

TEST_CASE("fork server: each has its name from its first moment on, and the arbiter keeps its own") {
    std::string before = process_name(::getpid());
    detail::ForkServer made(&run_nothing);
    CHECK(process_name(::getpid()) == before);
    auto pids = made.pids();
    REQUIRE(pids.size() == fork_servers);
    for (std::size_t place = 0; place < fork_servers; ++place)
        CHECK(process_name(pids[place]) ==
              (place == detail::fork_server_seed ? "magnetar-seed" : "magnetar-forks"));
}

TEST_CASE("fork server: its children are the master's, in process groups of their own") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({});
        auto parent = co_await send(worker, run<parent_of>);
        CHECK(parent == ::getpid());
        auto pid = co_await send(worker, run<process_of>);
        auto group = co_await send(worker, run<group_of>);
        CHECK(group == pid);
        co_await worker.stop();
        co_await worker.closed();
        CHECK(children_here() == fork_servers);  // no zombie
    });
    CHECK(children_of(::getpid()).empty());
}

TEST_CASE("fork server: killed, another takes its place, again and again; the workers that there are go on") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto before = co_await spawn({});
        std::size_t fds = 0;  // after the first round: the spare servers are made in the background
        for (int round = 0; round < 4; ++round) {
            int pid = server().pid();
            kill_and_wait(pid);
            auto answer = co_await answer_of(before);
            CHECK(answer == "pong");
            auto after = co_await spawn({.name = "after"});
            CHECK(server().pid() != pid);
            auto parent = co_await send(after, run<parent_of>);
            CHECK(parent == ::getpid());
            co_await after.stop();
            co_await after.closed();
            auto whole = co_await until([] { return children_here() == fork_servers + 1; });
            CHECK(whole);
            if (round == 0) fds = open_fds();
            CHECK(open_fds() == fds);
        }
        CHECK(server().lost() == 4);
    });
    CHECK(children_of(::getpid()).empty());
}

TEST_CASE(
    "fork server: the end of each is in the log and in info, and another is made, with no spawn at all") {
    CapturedLog log;
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto before = server().pids();
        CHECK(before.size() == fork_servers);
        for (std::size_t i = 0; i < before.size(); ++i) {
            kill_and_wait(before[i]);
            auto noticed = co_await until([i] { return server().lost() == i + 1; });
            CHECK(noticed);
            auto whole = co_await whole_again();
            CHECK(whole);
        }
        auto info = co_await self.proxy().info();
        CHECK(info["fork_servers"].size() == fork_servers);
        auto lost = from_json<int>(info["fork_servers_lost"]);
        CHECK(lost == 3);
        for (int pid : before)
            for (int now : server().pids()) CHECK(pid != now);
        auto answer = co_await answer_of_a_new_one();
        CHECK(answer == "pong");
    });
    CHECK(has(log.text(), "has ended (killed by signal 9 (Killed)): a replacement is started"));
}

TEST_CASE("fork server: two killed at once are made anew by the third, whichever they are") {
    in_arbiter<60>([](Arbiter<>&) -> Task<> {
        for (std::size_t spared = 0; spared < fork_servers; ++spared) {
            auto pids = server().pids();
            REQUIRE(pids.size() == fork_servers);
            for (std::size_t i = 0; i < pids.size(); ++i)
                if (i != spared) kill_and_wait(pids[i]);
            auto answer = co_await answer_of_a_new_one();
            CHECK(answer == "pong");
            auto whole = co_await whole_again();
            CHECK(whole);
        }
    });
    CHECK(children_of(::getpid()).empty());
}

TEST_CASE("fork server: without any left, spawning a process fails clearly; everything else works") {
    CapturedLog log;
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto before = co_await spawn({});
        for (int pid : server().pids()) kill_and_wait(pid);
        auto text = co_await error_of<SpawnError>(spawn({.name = "unborn"}));
        CHECK(has(text, "unborn"));
        CHECK(has(text, "fork server"));
        text = co_await error_of<SpawnError>(spawn({.name = "unborn"}));
        CHECK(has(text, "fork server"));
        CHECK(server().pid() == -1);
        auto thread = co_await spawn({.name = "unborn", .concurrency = Concurrency::thread});
        auto answer = co_await answer_of(thread);
        CHECK(answer == "pong");
        answer = co_await answer_of(before);
        CHECK(answer == "pong");
        auto noticed = co_await until([] { return server().lost() == fork_servers; });
        CHECK(noticed);
        CHECK(children_here() == 1);
    });
    CHECK(has(log.text(), "no fork server is left"));
    CHECK(children_of(::getpid()).empty());
}

TEST_CASE(
    "fork server: one that is stopped is ended when it does not answer, and a spawn is made by another") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        int stopped = server().pid();
        ::kill(stopped, SIGSTOP);
        auto actor = co_await spawn({.timeout = 1s, .period = 100ms});
        auto answer = co_await answer_of(actor);
        CHECK(answer == "pong");
        CHECK(Watched(stopped).gone());
        co_await actor.stop();
        co_await actor.closed();
        auto whole = co_await whole_again();
        CHECK(whole);
    });
}

TEST_CASE("fork server: stopped while a spawn is under way, the arbiter ends all the same") {
    Program program([](Program& self) {
        this_program = &self;
        CapturedLog log;
        Arbiter<> arbiter({.start = [](Arbiter<>&) -> Task<> {
            for (int pid : server().pids()) ::kill(pid, SIGSTOP);
            this_program->say("stopped");
            co_await spawn({});
        }});
        int code = arbiter.run();
        std::size_t waits = 0;
        for (std::size_t at = 0; (at = log.text().find("does not answer", at)) != std::string::npos; ++at)
            ++waits;
        self.say(waits > 1 ? "waited for one after the other" : "ended together");
        return code;
    });
    CHECK(program.hear() == "stopped");
    auto children = children_of(program.pid());
    std::vector<Watched> watched(children.begin(), children.end());
    program.signal(SIGTERM);
    // The stopping arbiter ends them together, not each one after its own five seconds.
    CHECK(program.hear() == "ended together");
    CHECK(program.wait(29s).signal() != SIGKILL);
    for (auto& child : watched) CHECK(child.gone(1s));
}

TEST_CASE("fork server: one that is being made anew as the arbiter stops is no longer missed") {
    CapturedLog log;
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto last = [](Actor<>&) -> Task<> {
            co_await until([] { return server().lost() == fork_servers; });
            for (int turn = 0; turn < 100; ++turn) co_await yield();
        };
        co_await spawn({.concurrency = Concurrency::coroutine, .stopping = last});
        auto pids = server().pids();
        // The fork servers that could make it are asked, and do not answer.
        for (int pid : {pids.at(1), pids.at(2)}) ::kill(pid, SIGSTOP);
        ::kill(pids.at(0), SIGKILL);
        auto noticed = co_await until([] { return server().lost() == 1; });
        CHECK(noticed);
    });
    CHECK(has(log.text(), "has ended"));
    CHECK(!has(log.text(), "no fork server is left"));
    CHECK(children_of(::getpid()).empty());
}

TEST_CASE("fork server: a fork that is cancelled leaves no process, whatever had been done") {
    in_arbiter<60>([](Arbiter<>&) -> Task<> {
        ::kill(server().pid(), SIGSTOP);
        std::vector<std::byte> plan(100'000);
        std::string trouble;
        try {
            std::vector<UniqueFd> descriptors;
            descriptors.emplace_back(::dup(0));
            auto forking = server().fork(plan, std::move(descriptors));
            co_await with_timeout(10ms, std::move(forking));
        } catch (const TimeoutError& error) {
            trouble = error.what();
        } catch (const std::exception& error) {
            trouble = error.what();
        }
        CHECK(has(trouble, "timed out"));
        auto whole = co_await whole_again();
        CHECK(whole);
        auto answer = co_await answer_of_a_new_one();
        CHECK(answer == "pong");
    });
    CHECK(children_of(::getpid()).empty());
}

TEST_CASE("fork server: signals that mean its master do not end it, and its workers have them as they were") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto pids = server().pids();
        for (int pid : pids)
            for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE})
                ::kill(pid, signal);
        auto worker = co_await spawn({});
        auto ignored = co_await send(worker, run<ignored_signals>);
        CHECK(ignored == 0);
        CHECK(server().pids() == pids);
        CHECK(server().lost() == 0);
    });
}

TEST_CASE("fork server: a descriptor that cannot be sent fails that spawn alone") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto pids = server().pids();
        auto text = co_await error_of<std::system_error>(server().fork({}, std::vector<UniqueFd>(1)));
        CHECK(has(text, "sendmsg to the fork server: Bad file descriptor"));
        CHECK(server().pids() == pids);
        auto answer = co_await answer_of_a_new_one();
        CHECK(answer == "pong");
        CHECK(server().lost() == 0);
    });
}
