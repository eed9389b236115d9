#include <magnetar/actor/detail/fork_server.hpp>

#include "../support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

int fork_server_pid() { return detail::the_supervisor->fork_server->pid(); }
int parent_of(Actor<>&) { return ::getppid(); }
int group_of(Actor<>&) { return ::getpgrp(); }

void kill_and_wait(int pid) {
    Watched watched(pid);
    ::kill(pid, SIGKILL);
    CHECK(watched.gone(10s));
}

}  // namespace

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
        auto children = children_of(::getpid());
        CHECK(children.size() == 2);  // no zombie
    });
    CHECK(children_of(::getpid()).empty());
}

TEST_CASE("fork server: killed, another takes its place, again and again; the workers that there are go on") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto before = co_await spawn({});
        auto fds = open_fds();
        for (int round = 0; round < 3; ++round) {
            int pid = fork_server_pid();
            kill_and_wait(pid);
            auto answer = co_await send(before, ping);
            CHECK(answer == "pong");
            auto after = co_await spawn({.name = "after"});
            CHECK(fork_server_pid() != pid);
            answer = co_await send(after, ping);
            CHECK(answer == "pong");
            auto parent = co_await send(after, run<parent_of>);
            CHECK(parent == ::getpid());
            co_await after.stop();
            co_await after.closed();
            CHECK(children_of(::getpid()).size() == 3);
            CHECK(open_fds() == fds);
        }
    });
    CHECK(children_of(::getpid()).empty());
}

TEST_CASE("fork server: without any left, spawning a process fails clearly; everything else works") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto before = co_await spawn({});
        auto worker_pid = co_await send(before, run<process_of>);
        for (int child : children_of(::getpid()))
            if (child != worker_pid) kill_and_wait(child);
        auto text = co_await error_of<SpawnError>(spawn({.name = "unborn"}));
        CHECK(has(text, "unborn"));
        CHECK(has(text, "fork server"));
        text = co_await error_of<SpawnError>(spawn({.name = "unborn"}));
        CHECK(has(text, "fork server"));
        auto thread = co_await spawn({.name = "unborn", .concurrency = Concurrency::thread});
        auto answer = co_await send(thread, ping);
        CHECK(answer == "pong");
        answer = co_await send(before, ping);
        CHECK(answer == "pong");
    });
    CHECK(children_of(::getpid()).empty());
}
