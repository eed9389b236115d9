#include <array>

#include <magnetar/actor/core/message.hpp>

#include "../support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using detail::Mailbox;

namespace {

struct Letter final : detail::Message {
    explicit Letter(int n) : number(n) {}
    void start(Actor<>&) noexcept override {}
    void refuse(detail::RejectReason, ActorId) noexcept override {}
    void admitted() noexcept override { ++admissions; }
    int number, admissions = 0;
};
int taken(Mailbox& mailbox) {
    auto* letter = static_cast<Letter*>(mailbox.pop());
    return letter ? letter->number : -1;
}

}  // namespace

TEST_CASE("mailbox: first come, first served; system messages stand apart") {
    Mailbox mailbox(2);
    Letter one(1), two(2), system(3);
    CHECK(mailbox.empty());
    mailbox.push(one);
    CHECK(!mailbox.full());
    mailbox.push(two);
    CHECK(mailbox.full());
    mailbox.push_system(system);
    CHECK(mailbox.depth() == 2);
    CHECK(mailbox.capacity() == 2);
    CHECK(mailbox.oldest() == &one);
    CHECK(mailbox.has_system());
    CHECK(mailbox.pop_system() == &system);
    CHECK(taken(mailbox) == 1);
    CHECK(!mailbox.full());
    CHECK(taken(mailbox) == 2);
    CHECK(taken(mailbox) == -1);
    CHECK(mailbox.empty());
}

TEST_CASE("mailbox: those that wait are admitted in order, one for each that leaves") {
    Mailbox mailbox(1);
    Letter one(1), two(2), three(3);
    mailbox.push(one);
    two.waits_for_room = three.waits_for_room = true;
    mailbox.push(two);
    mailbox.push(three);
    CHECK(taken(mailbox) == 1);
    CHECK(two.admissions == 1);
    CHECK(three.admissions == 0);
    CHECK(mailbox.full());
    CHECK(taken(mailbox) == 2);
    CHECK(three.admissions == 1);
    CHECK(taken(mailbox) == 3);
    CHECK(two.admissions == 1);
    CHECK(mailbox.depth() == 0);
}

TEST_CASE("mailbox: one that gives up, waiting or not, lets the others in") {
    for (int gives_up = 0; gives_up < 4; ++gives_up) {
        Mailbox mailbox(2);
        Letter letters[4]{Letter(0), Letter(1), Letter(2), Letter(3)};
        for (int i = 0; i < 4; ++i) {
            letters[i].waits_for_room = i >= 2;
            mailbox.push(letters[i]);
        }
        CHECK(mailbox.remove(letters[gives_up]));
        CHECK(!mailbox.remove(letters[gives_up]));
        CHECK(letters[2].admissions == (gives_up < 2));
        CHECK(mailbox.depth() == 3);
        for (int i = 0; i < 4; ++i)
            if (i != gives_up) CHECK(taken(mailbox) == i);
        CHECK(mailbox.empty());
        CHECK(mailbox.depth() == 0);
        // It can be used as before.
        Letter last(9);
        mailbox.push(last);
        CHECK(taken(mailbox) == 9);
    }
}

namespace {

// Starts no command while its gate is closed, so that its mailbox fills.
struct Gated {
    std::vector<int> seen;
    Event open;
    Task<> hold() { co_await open.wait(); }
    void note(int n) { seen.push_back(n); }
    std::vector<int> read() { return seen; }
};
void open_gate(Request& request) { static_cast<Actor<Gated>&>(request.actor()).state().open.set(); }

// A sender in an actor of its own; returns the outcomes of its messages, in order.
Task<std::vector<std::string>> tell_many(Actor<>&, ActorProxy<> to, int first, int count) {
    std::vector<std::string> fates;
    auto gated = to.as<Gated>();
    for (int i = 0; i < count; ++i) {
        std::string fate = "told";
        try {
            co_await gated.tell<&Gated::note>(first + i);
        } catch (const MailboxFull&) {
            fate = "full";
        } catch (const ActorLost&) {
            fate = "lost";
        }
        fates.push_back(fate);
    }
    co_return fates;
}
Task<std::string> ask_one(ActorProxy<Gated> to, int n) {
    try {
        co_await to.send<&Gated::note>(n);
        co_return "answered";
    } catch (const MailboxFull& error) {
        co_return has(error.what(), "dropped") ? "dropped" : "full";
    } catch (const ActorLost&) {
        co_return "lost";
    }
}

}  // namespace

namespace magnetar::detail {
template <>
inline constexpr bool is_system<open_gate> = true;
}

namespace {

Task<ActorProxy<Gated>> gated_actor(Concurrency kind, Overflow overflow, std::uint32_t mailbox,
                                    std::string_view name = {}) {
    SpawnOptions<Gated> options;
    options.concurrency = kind;
    options.overflow = overflow;
    options.mailbox = mailbox;
    options.serial = true;
    options.exit_timeout = 50ms;
    options.name = name;
    auto actor = co_await spawn<Gated>(options);
    co_await actor.tell<&Gated::hold>();
    // Its depth counts the messages that wait behind the running one.
    co_return actor;
}
Task<int> depth_of(ActorProxy<> actor) {
    Json told = co_await actor.info();
    co_return told["mailbox"]["depth"].get<int>();
}
Task<bool> reaches_depth(ActorProxy<> actor, int depth) {
    for (int i = 0; i < 5000; ++i) {
        int now = co_await depth_of(actor);
        if (now == depth) co_return true;
    }
    co_return false;
}
constexpr std::array near_kinds{Concurrency::coroutine, Concurrency::thread};

}  // namespace

TEST_CASE("mailbox: wait: a sender goes on when there is room, and not before") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : near_kinds) {
            auto actor = co_await gated_actor(kind, Overflow::wait, 3);
            for (int i = 0; i < 3; ++i) co_await actor.tell<&Gated::note>(i);
            bool reached = co_await reaches_depth(actor, 3);
            CHECK(reached);
            // The fourth finds it full.
            auto waiting = self.loop().start(
                [](ActorProxy<Gated> to) -> Task<> { co_await to.tell<&Gated::note>(3); }(actor));
            auto behind = self.loop().start(ask_one(actor, 4));
            reached = co_await reaches_depth(actor, 5);
            CHECK(reached);
            CAPTURE(to_string(kind));
            CHECK(!waiting.done());
            CHECK(!behind.done());
            co_await send(actor, run<open_gate>);
            co_await waiting;
            auto fate = co_await behind;
            CHECK(fate == "answered");
            auto seen = co_await actor.send<&Gated::read>();
            CHECK(seen == std::vector<int>{0, 1, 2, 3, 4});
        }
    });
}

TEST_CASE("mailbox: wait: a waiting sender that is cancelled is gone without a trace") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : near_kinds) {
            auto actor = co_await gated_actor(kind, Overflow::wait, 1);
            co_await actor.tell<&Gated::note>(0);
            bool reached = co_await reaches_depth(actor, 1);
            CHECK(reached);
            auto told = [](ActorProxy<Gated> to, int n) -> Task<> { co_await to.tell<&Gated::note>(n); };
            auto first = self.loop().start(told(actor, 1));
            auto second = self.loop().start(told(actor, 2));
            auto asking = self.loop().start(ask_one(actor, 3));
            reached = co_await reaches_depth(actor, 4);
            CHECK(reached);
            first.cancel();
            asking.cancel();
            co_await first;
            bool cancelled = false;
            try {
                co_await asking;
            } catch (const Cancelled&) {
                cancelled = true;
            }
            CHECK(cancelled);
            co_await send(actor, run<open_gate>);
            co_await second;
            auto seen = co_await actor.send<&Gated::read>();
            // On another thread the cancelled messages may already be in the mailbox; those not cancelled are
            // there once each, in order.
            if (kind == Concurrency::coroutine) CHECK(seen == std::vector<int>{0, 2});
            std::erase(seen, 1);
            std::erase(seen, 3);
            CHECK(seen == std::vector<int>{0, 2});
        }
    });
}

TEST_CASE("mailbox: reject: what finds it full is refused, and the actor goes on") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await gated_actor(kind, Overflow::reject, 2);
            bool reached = co_await reaches_depth(actor, 0);
            CHECK(reached);
            co_await actor.tell<&Gated::note>(0);
            co_await actor.tell<&Gated::note>(1);
            reached = co_await reaches_depth(actor, 2);
            CHECK(reached);
            auto fate = co_await ask_one(actor, 2);
            CHECK(fate == "full");
            if (kind == Concurrency::coroutine) {
                auto text = co_await error_of<MailboxFull>(actor.tell<&Gated::note>(3));
                CHECK(has(text, "is full"));
            } else {
                co_await actor.tell<&Gated::note>(3);  // the sender gets no error
            }
            reached = co_await reaches_depth(actor, 2);
            CHECK(reached);
            co_await send(actor, run<open_gate>);
            reached = co_await reaches_depth(actor, 0);
            CHECK(reached);
            auto seen = co_await actor.send<&Gated::read>();
            CHECK(seen == std::vector<int>{0, 1});
        }
    });
}

TEST_CASE("mailbox: drop_newest and drop_oldest") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            auto actor = co_await gated_actor(kind, Overflow::drop_newest, 2);
            bool reached = co_await reaches_depth(actor, 0);
            CHECK(reached);
            for (int i = 0; i < 5; ++i) co_await actor.tell<&Gated::note>(i);
            reached = co_await reaches_depth(actor, 2);
            CHECK(reached);
            auto fate = co_await ask_one(actor, 5);
            CHECK(fate == "dropped");
            co_await send(actor, run<open_gate>);
            reached = co_await reaches_depth(actor, 0);
            auto seen = co_await actor.send<&Gated::read>();
            CHECK(seen == std::vector<int>{0, 1});

            actor = co_await gated_actor(kind, Overflow::drop_oldest, 2);
            reached = co_await reaches_depth(actor, 0);
            CHECK(reached);
            auto asking = self.loop().start(ask_one(actor, 100));
            reached = co_await reaches_depth(actor, 1);
            CHECK(reached);
            for (int i = 0; i < 5; ++i) co_await actor.tell<&Gated::note>(i);
            fate = co_await asking;
            CHECK(fate == "dropped");
            reached = co_await reaches_depth(actor, 2);
            CHECK(reached);
            co_await send(actor, run<open_gate>);
            reached = co_await reaches_depth(actor, 0);
            seen = co_await actor.send<&Gated::read>();
            CHECK(seen == std::vector<int>{3, 4});
        }
    });
}

constexpr int count = 3000;

TEST_CASE(
    "mailbox: many senders on other threads and processes: nothing is lost, each one's messages stay in order") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        for (auto kind : every_kind) {
            SpawnOptions<Gated> options;
            options.concurrency = kind;
            options.mailbox = 4;
            auto actor = co_await spawn<Gated>(options);
            std::vector<ActorProxy<>> senders;
            for (auto sender_kind : every_kind)
                senders.push_back(co_await spawn({.concurrency = sender_kind}));
            std::vector<Job<std::vector<std::string>>> jobs;
            for (int i = 0; i < 3; ++i)
                jobs.push_back(self.loop().start(
                    [](ActorProxy<> sender, ActorProxy<> to, int first) -> Task<std::vector<std::string>> {
                        co_return co_await send(sender, run<tell_many>, to, first, count);
                    }(senders[static_cast<std::size_t>(i)], actor, i * count)));
            for (auto& job : jobs) {
                auto fates = co_await job;
                CHECK(std::count(fates.begin(), fates.end(), "told") == count);
            }
            std::vector<int> seen;
            for (int i = 0; i < 2000 && seen.size() != 3 * count; ++i)
                seen = co_await actor.send<&Gated::read>();
            CHECK(seen.size() == 3 * count);
            for (int i = 0; i < 3; ++i) {
                std::vector<int> of_one;
                for (int n : seen)
                    if (n / count == i) of_one.push_back(n);
                CHECK(of_one.size() == count);
                CHECK(std::is_sorted(of_one.begin(), of_one.end()));
            }
        }
    });
}

TEST_CASE("mailbox: senders that wait for room in an actor that dies are told") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto other = co_await spawn({.concurrency = Concurrency::thread});
        for (auto kind : near_kinds) {
            auto actor = co_await gated_actor(kind, Overflow::wait, 1, "gate");
            co_await actor.tell<&Gated::note>(0);
            bool reached = co_await reaches_depth(actor, 1);
            CHECK(reached);
            auto near = self.loop().start([](ActorProxy<Gated> to) -> Task<std::string> {
                co_return co_await error_of<ActorLost>(to.tell<&Gated::note>(1));
            }(actor));
            auto far =
                self.loop().start([](ActorProxy<> sender, ActorProxy<> to) -> Task<std::vector<std::string>> {
                    co_return co_await send(sender, run<tell_many>, to, 10, 3);
                }(other, actor));
            auto asking = self.loop().start(ask_one(actor, 2));
            // From another thread one message is in flight before the next has to wait.
            bool same_loop = kind == Concurrency::coroutine;
            reached = co_await reaches_depth(actor, same_loop ? 5 : 4);
            CHECK(reached);
            co_await send("arbiter", kill_actor, "gate");
            auto text = co_await near;
            CHECK(text != "");
            auto fate = co_await asking;
            CHECK(fate == "lost");
            try {
                auto fates = co_await far;
                CHECK(fates[same_loop ? 1 : 0] == "lost");
            } catch (const RemoteError& error) {
                CHECK(error.type() == "magnetar::ActorNotFound");
            }
        }
    });
}
