// Workers are trusted no more than necessary: an operation that is not permitted ends a worker's link, with a
// reason, and affects no other process.
#include <fmt/core.h>

#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <optional>

#include <magnetar/actor/supervision/framework_commands.hpp>
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>

#include "link_support.hpp"

using namespace magnetar;
using namespace magnetar::test;

// Receives nothing while its loop is blocked.
struct Deaf {
    void take(std::vector<std::byte>) {}
    std::vector<std::byte> give(std::vector<std::byte> bytes) { return bytes; }
};

namespace {

using Bytes = std::vector<std::byte>;

// The master's record of a process.
detail::ChildRecord* managed(const ActorProxy<>& worker) {
    detail::ChildRecord* found = nullptr;
    detail::the_supervisor->for_each([&](detail::ChildRecord& child) {
        if (child.id == worker.id()) found = &child;
    });
    return found;
}
detail::Address address_of(const ActorProxy<>& proxy) { return proxy.address(); }
detail::Address arbiter_address() { return detail::the_node->arbiter; }

// `liar` writes `bytes` to the master, and must end then, without an effect on `others`.
Task<> must_end(ActorProxy<> liar, Bytes bytes, std::vector<ActorProxy<>> others) {
    co_await tell(liar, run<write_garbage>, 0, std::move(bytes));
    auto status = co_await with_timeout(10s, liar.closed());
    CHECK(!status.clean());
    for (auto& other : others) {
        auto pong = co_await send(other, ping);
        CHECK(pong == "pong");
    }
}

Task<ActorProxy<>> spawn_named(Actor<>&, std::string name) {
    SpawnOptions<> options;
    options.name = name;
    options.timeout = std::chrono::hours(24 * 365 * 40);
    options.exit_timeout = std::chrono::hours(24 * 365 * 40);
    co_return co_await spawn(options);
}
Task<std::string> try_to_spawn(Actor<>&, Concurrency kind, std::string name) {
    std::string text;
    SpawnOptions<> options;
    options.concurrency = kind;
    options.name = name;
    try {
        co_await spawn(options);
    } catch (const SpawnError& error) {
        text = error.what();
    }
    co_return text;
}
Task<std::string> try_to_end(Actor<>&, std::string how, std::string victim) {
    std::string text = "it was allowed";
    try {
        if (how == "kill") co_await send("arbiter", kill_actor, victim);
        else if (how == "stop") co_await send("arbiter", stop);
        else if (how == "spawn") co_await send("arbiter", spawn_actor, "another", "coroutine");
        else if (how == "by name") co_await send("arbiter", "kill_actor", victim);
    } catch (const RemoteError& error) {
        text = error.type();
    }
    co_return text;
}
Task<std::string> order_nonsense(Actor<>&) {
    std::string text;
    detail::SpawnOrder order;
    order.type = 0x7fffffff;
    order.name = "nonsense";
    order.settings.timeout = 5s;
    try {
        co_await detail::make_request<detail::spawn_process>(detail::the_node->arbiter, std::move(order));
    } catch (const std::exception& error) {
        text = error.what();
    }
    co_return text;
}
int user_of(Actor<>&) { return static_cast<int>(::getuid()); }
Task<std::uint32_t> become(Actor<>&, std::uint32_t user) {
    // In every thread, as a program would.
    if (::setgid(65534) != 0 || ::setuid(user) != 0) co_return 0;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    co_return ::getuid();
}
Task<std::string> hold_names(Actor<>&, int count) {
    std::string answer;
    for (int i = 0; i < count; ++i)
        answer = co_await detail::make_request<detail::directory_reserve>(
            detail::the_node->arbiter, fmt::format("held {}", i),
            std::uint64_t{0xabc00000000} + static_cast<unsigned>(i));
    co_return answer;
}
Task<int> introduce(Actor<>&, std::uint32_t peer, int count) {
    int done = 0;
    for (int i = 0; i < count; ++i)
        done += co_await detail::make_request<detail::introduce_nodes>(detail::the_node->arbiter, peer, true);
    co_return done;
}
constexpr std::array less{Rights::local, Rights::none};
constexpr std::array ways{"kill", "stop", "spawn"};
constexpr std::array<std::size_t, 2> sizes{100, 1 << 20};
int descriptors_here(Actor<>&) { return static_cast<int>(open_fds()); }

// Writes the frame `count` times and reads nothing; exits with the number that were sent before no more could
// be sent for a second.
int flood(Actor<>&, Bytes frame, int count) {
    int fd = sockets().at(0), sent = 0;
    timeval patience{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    for (; sent < count; ++sent)
        for (std::size_t at = 0; at < frame.size();) {
            auto n = ::send(fd, frame.data() + at, frame.size() - at, MSG_NOSIGNAL);
            if (n <= 0) ::_exit(sent > 255 ? 255 : sent);
            at += static_cast<std::size_t>(n);
        }
    ::_exit(254);
}
// Blocks its thread until `released`, and receives no other message meanwhile.
std::atomic<bool> released = false;
Task<> stay_busy(Actor<Deaf>&) {
    released.wait(false);
    co_return;
}
std::string make_text(Actor<>&, std::size_t size) { return std::string(size, 'y'); }
// A request with a call chain chosen by the test.
class ChainedCall final : public detail::RemoteCall {
public:
    explicit ChainedCall(std::string* failure) : failure_(failure) {}

private:
    void deliver() noexcept override {
        try {
            if (error) std::rethrow_exception(error);
        } catch (const std::exception& e) {
            *failure_ = e.what();
        }
        delete this;
    }
    std::string* failure_;
};
void hear(Actor<>&, std::string) {}
Task<> join_room(Actor<>&) { co_await join<hear>("room"); }
void throw_in_start(Actor<>&) { throw std::runtime_error(std::string(70 << 20, 'x')); }
Task<std::string> spawn_with_long_error(Actor<>&) {
    std::string text;
    SpawnOptions<> options;
    options.start = [](Actor<>& self) { throw_in_start(self); };
    try {
        co_await spawn(options);
    } catch (const SpawnError& error) {
        text = error.what();
    }
    co_return text;
}

}  // namespace

TEST_CASE("trust: a worker ends nobody by force, and housekeeping is asked of first actors alone") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto bystander = co_await spawn({.name = "bystander"});
        auto thread = co_await spawn({.name = "thread", .concurrency = Concurrency::thread});
        std::vector<ActorProxy<>> others{bystander, thread, self.proxy()};
        for (int attack = 0; attack < 5; ++attack) {
            auto liar = co_await spawn({.name = "liar"});
            auto from = address_of(liar);
            Bytes bytes;
            if (attack == 0) bytes = call_of<detail::end_command>(Packet::tell, arbiter_address(), from);
            if (attack == 1) bytes = call_of<detail::end_command>(Packet::tell, thread.address(), from);
            if (attack == 2) bytes = call_of<detail::dump_command>(Packet::tell, arbiter_address(), from);
            if (attack == 3)
                bytes = call_of<detail::directory_remove>(Packet::tell, thread.address(), from,
                                                          bystander.id().value);
            if (attack == 4)
                bytes = call_of<detail::kill_for>(Packet::tell, arbiter_address(), from, std::uint32_t{0},
                                                  std::string("bystander"));
            co_await must_end(liar, std::move(bytes), others);
        }
    });
}

TEST_CASE("trust: who speaks is known by the link: nobody notifies, greets or asks in another's name") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto victim = co_await spawn({.name = "victim"});
        std::vector<ActorProxy<>> others{victim, self.proxy()};
        for (int attack = 0; attack < 6; ++attack) {
            auto liar = co_await spawn({.name = "liar"});
            detail::Address own = liar.address(), forged = own;
            detail::Heartbeat notice{12345, 0, 0};
            Bytes bytes;
            forged.id = victim.id();  // another actor's id at its own location
            if (attack == 0)
                bytes = call_of<detail::notify_command>(Packet::tell, arbiter_address(), victim.address(),
                                                        notice);
            if (attack == 1)
                bytes = call_of<detail::notify_command>(Packet::tell, arbiter_address(), forged, notice);
            forged.id = ActorId::arbiter();
            if (attack == 2) bytes = call_of<detail::stop_command>(Packet::tell, victim.address(), forged);
            if (attack == 2) bytes = call_of<detail::ping_command>(Packet::tell, arbiter_address(), forged);
            if (attack == 3)
                bytes = call_of<detail::child_greeted>(Packet::request, arbiter_address(), own,
                                                       victim.id().value, ActorProxy<>(own, {}));
            if (attack == 4)
                bytes =
                    call_of<detail::child_started>(Packet::request, arbiter_address(), detail::Address{},
                                                   victim.id().value, std::optional<detail::ErrorOnWire>());
            // Its own greeting, with the address of another actor.
            if (attack == 5)
                bytes = call_of<detail::child_greeted>(Packet::request, arbiter_address(), own,
                                                       liar.id().value, ActorProxy<>(victim.address(), {}));
            co_await must_end(liar, std::move(bytes), others);
            CHECK(managed(victim)->heartbeat.turns != 12345);
        }
    });
}

TEST_CASE("trust: a worker greets for one that is being made, and the spawn gives the one that was made") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto liar = co_await spawn({.name = "liar"});
        auto making = self.loop().start([](Actor<>&) -> Task<ActorProxy<>> {
            SpawnOptions<> options;
            options.name = "made";
            options.id = ActorId{0x1234567};
            co_return co_await spawn(options);
        }(self));
        co_await yield();
        auto bytes =
            call_of<detail::child_greeted>(Packet::request, arbiter_address(), address_of(liar),
                                           std::uint64_t{0x1234567}, ActorProxy<>(address_of(liar), {}));
        co_await must_end(liar, std::move(bytes), std::vector<ActorProxy<>>());
        auto made = co_await making;
        CHECK(made.address().where.node() != liar.address().where.node());
        auto name = co_await send(made, run<name_of>);
        CHECK(name == "made");
    });
}

TEST_CASE("trust: another's entry in the directory is neither taken over nor removed") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto victim = co_await spawn({.name = "victim"});
        auto liar = co_await spawn({.name = "liar"});
        auto own = liar.address();
        // Removals in the name of another actor have no effect; they may also be an honest mistake.
        std::vector<Bytes> removals;
        removals.push_back(
            call_of<detail::directory_remove>(Packet::tell, arbiter_address(), own, victim.id().value));
        removals.push_back(call_of<detail::directory_release>(Packet::tell, arbiter_address(), own,
                                                              std::string("victim"), victim.id().value));
        for (auto& bytes : removals) {
            co_await send(liar, run<write_garbage>, 0, bytes);
            auto pong = co_await send("victim", ping);
            CHECK(pong == "pong");
        }
        auto bytes = call_of<detail::directory_enter>(Packet::request, arbiter_address(), own,
                                                      ActorProxy<>({victim.id(), own.where}, {}),
                                                      Concurrency::process, std::uint64_t{1});
        std::vector<ActorProxy<>> others{victim, self.proxy()};
        co_await must_end(liar, std::move(bytes), others);
        auto pid = co_await send("victim", run<process_of>);
        int own_pid = co_await send(victim, run<process_of>);
        CHECK(pid == own_pid);
    });
}

TEST_CASE("trust: a process joins a group with its own actors only, and takes no others out") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto victim = co_await spawn({.name = "victim"});
        auto liar = co_await spawn({.name = "liar"});
        auto own = liar.address();
        co_await send(victim, run<join_room>);
        auto leave = call_of<detail::group_remove>(Packet::tell, arbiter_address(), own, victim.id().value);
        co_await send(liar, run<write_garbage>, 0, leave);
        co_await send(liar, ping);
        auto members = co_await group_members("room");
        CHECK(members.size() == 1);
        auto bytes = call_of<detail::group_join>(Packet::request, arbiter_address(), own, std::string("room"),
                                                 std::uint32_t{0}, victim);
        std::vector<ActorProxy<>> others{victim, self.proxy()};
        co_await must_end(liar, std::move(bytes), others);
    });
}

TEST_CASE("trust: a spawn order holds no address: a type or hook that is in no table is refused") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto liar = co_await spawn({.name = "liar"});
        auto text = co_await send(liar, run<order_nonsense>);
        CHECK_MESSAGE(has(text, "no actor type has that number"), text);
        auto pong = co_await send(liar, ping);
        CHECK(pong == "pong");
    });
    using Hook = detail::ErasedHook<>;
    CHECK_THROWS_AS(Codec<Hook>::from_wire(0x7fffffff), std::invalid_argument);
    CHECK_THROWS_AS(Codec<Hook>::from_wire(0x7ffffffe), std::invalid_argument);
    CHECK(!Codec<Hook>::from_wire(0));
    SpawnOptions<> options{.start = [](Actor<>&) {}};
    auto same = Codec<Hook>::from_wire(Codec<Hook>::to_wire(options.start));
    bool found = same.plain == options.start.plain;
    CHECK(found);
}

TEST_CASE("trust: what a worker may have done for it is an option of its spawn") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto bystander = co_await spawn({.name = "bystander"});
        for (auto rights : less) {
            auto worker = co_await spawn({.name = "worker", .rights = rights});
            auto text = co_await send(worker, run<try_to_spawn>, Concurrency::process, std::string("made"));
            CHECK_MESSAGE(has(text, "has no right to spawn processes"), text);
            for (auto kind : every_kind) {
                if (kind == Concurrency::process) continue;
                std::string name = kind == Concurrency::thread ? "named a" : "named b";
                text = co_await send(worker, run<try_to_spawn>, kind, name);
                if (rights == Rights::local) CHECK_MESSAGE(text == "", text);
                else CHECK_MESSAGE(has(text, "has no right to spawn actors"), text);
            }
            for (const char* way : ways) {
                std::string how = way, victim = "bystander";
                text = co_await send(worker, run<try_to_end>, how, victim);
                CHECK_MESSAGE(text == "magnetar::PermissionDenied", text);
            }
            text = co_await send(worker, run<try_to_end>, std::string("by name"), std::string("bystander"));
            CHECK(text == "magnetar::PermissionDenied");
            if (rights == Rights::local) {
                // It may end actors of its own process.
                text = co_await send(worker, run<try_to_end>, std::string("kill"), std::string("named b"));
                CHECK(text == "it was allowed");
            }
            auto pong = co_await send(bystander, ping);
            CHECK(pong == "pong");
            co_await worker.stop();
            co_await worker.closed();
        }
        CHECK(self.life() == Lifecycle::running);
    });
}

TEST_CASE("trust: a process that a worker has spawned has that worker's user, not the arbiter's") {
    if (::geteuid() != 0) {
        MESSAGE("not run: only root can become somebody else");
        return;
    }
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({.name = "worker"});
        auto user = co_await send(worker, run<become>, std::uint32_t{61234});
        CHECK(user == 61234);
        auto made = co_await send(worker, run<spawn_named>, std::string("made"));
        auto theirs = co_await send(made, run<user_of>);
        CHECK(theirs == 61234);
        auto own = co_await spawn({.name = "the arbiter's"});
        theirs = co_await send(own, run<user_of>);
        CHECK(theirs == 0);
    });
}

TEST_CASE("trust: a worker's child cannot hold up the arbiter's end: its timeouts are bounded") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({.name = "worker"});
        auto made = co_await send(worker, run<spawn_named>, std::string("made"));
        CHECK(managed(made)->settings.exit_timeout <= 60s);
        CHECK(managed(made)->settings.timeout <= 24h);
        CHECK(managed(made)->asker == worker.address().where.node());
    });
}

TEST_CASE("trust: names that a worker holds and never uses end with it") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({.name = "worker"});
        auto before = detail::the_supervisor->directory->entries().size();
        auto answer = co_await send(worker, run<hold_names>, 500);
        CHECK(answer == "");
        CHECK(detail::the_supervisor->directory->entries().size() == before + 500);
        co_await worker.stop();
        co_await worker.closed();
        CHECK(detail::the_supervisor->directory->entries().size() == before - 1);
    });
}

TEST_CASE(
    "trust: a worker that ignores the window of tells loses its link; the mailbox it floods stays small") {
    in_arbiter<60>([](Arbiter<>& self) -> Task<> {
        auto deaf = co_await spawn<Deaf>({.concurrency = Concurrency::thread, .serial = true, .mailbox = 16});
        auto bystander = co_await spawn({});
        released = false;
        struct AtEnd {
            ~AtEnd() {
                released = true;
                released.notify_all();
            }
        };
        std::optional<AtEnd> at_end{std::in_place};
        auto busy =
            self.loop().start([](ActorProxy<Deaf> to) -> Task<> { co_await send(to, run<stay_busy>); }(deaf));
        co_await yield();
        for (std::size_t size : sizes) {
            auto liar = co_await spawn({});
            auto before = resident_bytes();
            auto frame = call_of<&Deaf::take>(Packet::tell, deaf.address(), liar.address(), Bytes(size));
            co_await tell(liar, run<flood>, frame, 2000);
            auto status = co_await with_timeout(30s, liar.closed());
            CHECK(!status.clean());
            if (!sanitized) CHECK(resident_bytes() < before + (64u << 20));
            auto pong = co_await send(bystander, ping);
            CHECK(pong == "pong");
        }
        at_end.reset();
        co_await busy;
    });
}

TEST_CASE("trust: a worker that asks and never reads is not read any more: what is kept for it is bounded") {
    in_arbiter<60>([](Arbiter<>&) -> Task<> {
        auto giver = co_await spawn<Deaf>({.concurrency = Concurrency::coroutine});
        auto bystander = co_await spawn({});
        auto liar = co_await spawn({});
        auto before = resident_bytes();
        auto frame = call_of<&Deaf::give>(Packet::request, giver.address(), liar.address(), Bytes(1 << 20));
        co_await tell(liar, run<flood>, frame, 1000);
        std::size_t most = 0;
        auto ended = liar.closed();
        bool over = false;
        auto waiting = get_actor()->loop().start([](Task<ExitStatus> end, bool* done) -> Task<ExitStatus> {
            auto how = co_await std::move(end);
            *done = true;
            co_return how;
        }(std::move(ended), &over));
        while (!over) {
            auto pong = co_await send(bystander, ping);
            CHECK(pong == "pong");
            most = std::max(most, resident_bytes());
            co_await sleep(5ms);
        }
        auto status = co_await waiting;
        // It was slowed down: it could not send everything.
        CHECK(status.code() < 254);
        if (!sanitized) CHECK(most < before + (450u << 20));
    });
}

TEST_CASE("trust: forged introductions fill nobody's table of descriptors") {
    in_arbiter<60>([](Arbiter<>&) -> Task<> {
        auto bystander = co_await spawn({});
        auto liar = co_await spawn({});
        int before = co_await send(bystander, run<descriptors_here>);
        int done = co_await send(liar, run<introduce>, bystander.address().where.node(), 300);
        CHECK(done == 300);
        int after = co_await send(bystander, run<descriptors_here>);
        CHECK(after <= before + 2);
        auto pong = co_await send(bystander, ping);
        CHECK(pong == "pong");
    });
}

TEST_CASE("trust: at the limit of a message all is well; past it who sends is told, and both live") {
    in_arbiter<60>([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({});
        constexpr std::size_t length_bytes = 4;
        for (bool past : {false, true}) {
            std::string text(detail::largest_message - length_bytes + (past ? 1 : 0), 'x');
            std::string failure;
            std::size_t got = 0;
            try {
                auto same = co_await send(worker, echo, text);
                got = same.size();
            } catch (const CodecError& error) {
                failure = error.what();
            }
            CHECK(got == (past ? 0 : text.size()));
            CHECK(has(failure, past ? "can leave a process" : ""));
            failure.clear();
            try {
                got = (co_await send(worker, run<make_text>, text.size())).size();
            } catch (const CodecError& error) {
                failure = error.what();
            }
            if (!past) CHECK(got == text.size());
            CHECK(has(failure, past ? "can leave a process" : ""));
            auto pong = co_await send(worker, ping);
            CHECK(pong == "pong");
        }
    });
}

TEST_CASE("trust: the chain of those that wait counts in the size of a message") {
    in_arbiter<60>([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({});
        std::string failure;
        auto* call = new ChainedCall(&failure);
        call->target = worker.address();
        call->command = detail::entry_of<detail::ping_command>.number;
        call->terms.chain.reset(new detail::CallChain(70, {1, 1, std::string(1 << 20, 'x')}));
        detail::send_to_node(*call);
        CHECK(has(failure, "can leave a process"));
        auto pong = co_await send(worker, ping);
        CHECK(pong == "pong");
    });
}

TEST_CASE("trust: an error of 70 MiB in a start hook is cut, and who spawned is told") {
    in_arbiter<60>([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({});
        auto text = co_await send(worker, run<spawn_with_long_error>);
        CHECK(has(text, "its start failed"));
        CHECK(text.size() < 2 * detail::longest_text);
        auto pong = co_await send(worker, ping);
        CHECK(pong == "pong");
    });
}
