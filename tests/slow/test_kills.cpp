// Hundreds of workers are killed while four senders send them requests without a pause.
#include <magnetar/actor/monitor.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <random>
#include <typeinfo>

#include "../actor/support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

struct Victim {
    Task<int> twice(int value) {
        if (value % 3 == 0) co_await sleep(1ms);
        co_return 2 * value;
    }
};

Monitor<Victim>* victims = nullptr;  // on the arbiter's thread
std::vector<ActorProxy<Victim>> living_victims(Actor<>&) { return victims->managed_actors(); }

// The outcome of a sender's requests.
struct Tally {
    int begun = 0, answered = 0, lost = 0, wrong = 0;
    std::string strange;
};
bool enough = false;  // one in each process; senders on threads share the arbiter's
void that_is_enough(Actor<>&) { __atomic_store_n(&enough, true, __ATOMIC_RELAXED); }

Task<> ask(ActorProxy<Victim> victim, int value, Tally& tally) {
    ++tally.begun;
    std::string failure;
    try {
        int answer = co_await victim.send<&Victim::twice>(value);
        ++(answer == 2 * value ? tally.answered : tally.wrong);
        co_return;
    } catch (const ActorLost&) {
        ++tally.lost;
    } catch (const ActorNotFound&) {
        ++tally.lost;
    } catch (const std::exception& error) {
        tally.strange = demangled(typeid(error).name()) + ": " + error.what();
    }
}
// Sends requests to random living workers, eight at a time, until `enough`.
Task<Tally> press(Actor<>&, int seed) {
    Tally tally;
    std::minstd_rand chance(static_cast<unsigned>(seed));
    while (!__atomic_load_n(&enough, __ATOMIC_RELAXED)) {
        auto living = co_await send("arbiter", run<living_victims>);
        if (living.empty()) {
            co_await yield();
            continue;
        }
        for (int round = 0; round < 8; ++round) {
            std::vector<Task<>> requests;
            for (int i = 0; i < 8; ++i)
                requests.push_back(
                    ask(living[chance() % living.size()], static_cast<int>(chance() % 1000), tally));
            co_await when_all(std::move(requests));
        }
    }
    co_return tally;
}

int process_id(ActorId id) {
    int found = 0;
    detail::the_supervisor->for_each([&](detail::ChildRecord& child) {
        if (child.id == id && child.process) found = child.process->pid();
    });
    return found;
}

void depart(Actor<>&) { throw ActorExit{3}; }

struct Base {
    std::size_t fds, processes, links, managed, memory;
};
Base now() {
    return {open_fds(), children_of(::getpid()).size(), detail::the_node->links(),
            detail::the_supervisor->size(), resident_bytes()};
}

}  // namespace

TEST_CASE(
    "kills: two hundred under load: every request ends, once; workers, descriptors, processes and memory are at their base") {
    enough = false;
    in_arbiter<240>([](Arbiter<>& self) -> Task<> {
        auto& pool = co_await self.add_monitor<Victim>(
            {.name = "victims", .workers = 4, .restarts = 1000, .backoff = 1ms, .max_backoff = 2ms});
        victims = &pool;
        std::vector<ActorProxy<>> senders;
        senders.push_back(self.proxy());
        senders.push_back(co_await spawn({.name = "thread", .concurrency = Concurrency::thread}));
        senders.push_back(co_await spawn({.name = "process 1"}));
        senders.push_back(co_await spawn({.name = "process 2"}));
        std::vector<Job<Tally>> pressing;
        for (int i = 0; i < 4; ++i)
            pressing.push_back(self.loop().start([](ActorProxy<> sender, int seed) -> Task<Tally> {
                co_return co_await send(sender, run<press>, seed);
            }(senders[static_cast<std::size_t>(i)], i + 1)));
        std::minstd_rand chance(2026);
        Base base{};
        for (int kills = 0; kills < 200;) {
            if (kills >= 40 && base.fds == 0) base = now();  // caches are filled
            int at_once = kills % 10 == 9 ? 2 : 1;
            for (int i = 0; i < at_once; ++i) {
                auto living = pool.managed_actors();
                auto victim = living[chance() % living.size()];
                int pid = process_id(victim.id());
                CHECK(pid > 0);
                Watched watched(pid);
                ::kill(pid, SIGKILL);
                auto status = co_await victim.closed();
                CHECK(status.signal() == SIGKILL);
                CHECK(watched.gone());
                ++kills;
            }
            bool back = co_await until([&] { return pool.size() == 4; });
            CHECK(back);
        }
        Base loaded = now();
        bool returned = co_await until([&] {
            loaded = now();
            return loaded.fds <= base.fds &&
                   loaded.links <= base.links;  // resources of the last killed workers are released
        });
        CHECK_MESSAGE(returned, loaded.fds << " descriptors, before " << base.fds);
        CHECK(loaded.processes == base.processes);
        CHECK(loaded.managed == base.managed);
        if (!sanitized) CHECK(loaded.memory < base.memory + (8 << 20));
        that_is_enough(self);
        for (std::size_t i = 2; i < 4; ++i) co_await send(senders[i], run<that_is_enough>);
        int lost = 0;
        for (auto& job : pressing) {
            Tally tally = co_await job;
            CHECK(tally.strange == "");
            CHECK(tally.wrong == 0);
            CHECK(tally.answered + tally.lost == tally.begun);
            CHECK(tally.answered > 200);
            lost += tally.lost;
        }
        CHECK(lost > 0);
        Json told = co_await pool.proxy().info();
        CHECK(told["monitor"]["restarts"].get<int>() >= 200);
        co_await pool.proxy().stop();
        bool gone = co_await until([&] { return detail::the_supervisor->size() == 3; });
        CHECK(gone);
        bool let_go = co_await until([&] { return detail::the_node->links() == 2; });
        CHECK(let_go);
        for (std::size_t i = 2; i < 4; ++i) {
            bool alone = false;  // its link to the arbiter, and maybe one to the other sender
            for (int round = 0; round < 1000 && !alone; ++round) {
                Json of_sender = co_await senders[i].info();
                alone = of_sender["links"].get<int>() == 1;
                co_await sleep(1ms);
            }
            CHECK(alone);
        }
    });
}

TEST_CASE(
    "kills: five thousand lives, also where the numbers of processes begin anew: nothing stays behind") {
    in_arbiter<500>([](Arbiter<>&) -> Task<> {
        // Lives of each kind; a process takes a hundred times as long as the others, and much longer still
        // with sanitizers.
        struct Kind {
            Concurrency kind;
            int lives;
        };
        constexpr int processes = sanitized ? 500 : 2000;
        const Kind kinds[] = {{Concurrency::process, processes},
                              {Concurrency::thread, 1000},
                              {Concurrency::coroutine, 4000 - processes}};
        detail::the_supervisor->number_from(detail::greatest_node - processes / 2);
        ActorProxy<> stays = co_await spawn({.name = "stays"});
        auto entries = []() -> auto& { return detail::the_supervisor->directory->entries(); };
        std::size_t known = entries().size();
        std::minstd_rand chance(9);
        for (auto [kind, lives] : kinds) {
            Base base{};
            for (int life = 0; life < lives; ++life) {
                if (life == lives / 4) base = now();  // caches are filled
                SpawnOptions<Victim> options;
                options.name = chance() % 2 ? "comes" : "";
                options.concurrency = kind;
                auto victim = co_await spawn<Victim>(options);
                int answer = co_await victim.send<&Victim::twice>(life);
                CHECK(answer == 2 * life);
                auto way = chance() % 3;
                if (way == 0 && kind == Concurrency::process) ::kill(process_id(victim.id()), SIGKILL);
                else if (way == 1) co_await tell(victim, run<depart>);
                else co_await victim.stop();
                co_await victim.closed();
            }
            Base after = now();
            bool returned = co_await until([&] {
                after = now();
                return after.fds <= base.fds && after.links <= base.links && after.managed <= base.managed;
            });
            CHECK_MESSAGE(returned, after.fds << " descriptors, before " << base.fds);
            CHECK(detail::the_supervisor->size() == 1);
            CHECK(after.processes == base.processes);
            if (!sanitized) CHECK(after.memory < base.memory + (4 << 20));
        }
        auto pong = co_await send(stays, ping);
        CHECK(pong == "pong");
        CHECK(entries().size() == known);
    });
}
