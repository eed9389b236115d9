#include <doctest/doctest.h>

#include <magnetar/magnetar.hpp>
#include <magnetar/testing/random.hpp>
#include <magnetar/testing/simulation.hpp>

#include <string>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;
using testing::Simulation;

namespace group_simulation {

struct Fan {
    std::vector<int> heard = {};
    void hear(int number) { heard.push_back(number); }
    Task<> enter() { co_await join<&Fan::hear>("room"); }
    Task<> go() { co_await leave<&Fan::hear>("room"); }
    Task<> shout(int number) { co_await publish<&Fan::hear>("room", number); }
    std::vector<int> all() { return heard; }
};

}  // namespace group_simulation
using group_simulation::Fan;

TEST_CASE(
    "groups: in a simulation members come, go and are killed while others publish, and those who stay hear all") {
    for (auto seed : testing::seeds(200)) {
        INFO("seed " << seed);
        Simulation simulation(seed);
        simulation.run([&](Actor<>& self) -> Task<> {
            auto& random = simulation.random();
            std::vector<ActorProxy<Fan>> stay, fickle;
            for (int i = 0; i < 3; ++i) {
                auto made = co_await spawn<Fan>({});
                co_await made.send<&Fan::enter>();
                stay.push_back(made);
            }
            std::size_t members = 3;
            std::vector<Job<>> shouting;
            for (int number = 0; number < 30; ++number) {
                auto& publisher = stay[random.below(3)];
                shouting.push_back(self.loop().start(as_task(publisher.send<&Fan::shout>(number))));
                switch (random.below(4)) {
                    case 0: {
                        auto made = co_await spawn<Fan>({});
                        co_await made.send<&Fan::enter>();
                        fickle.push_back(made);
                        ++members;
                        break;
                    }
                    case 1:
                        if (fickle.empty()) break;
                        co_await fickle.back().send<&Fan::go>();
                        co_await fickle.back().stop();
                        fickle.pop_back();
                        --members;
                        break;
                    case 2:
                        if (fickle.empty()) break;
                        simulation.kill(fickle.back());
                        co_await fickle.back().closed();
                        fickle.pop_back();
                        --members;
                        break;
                    default:
                        co_await sleep(1ms);
                }
            }
            for (auto& job : shouting) co_await job;
            co_await sleep(10s);
            auto first = co_await stay[0].send<&Fan::all>();
            CHECK(first.size() == 30);
            for (auto& member : stay) {
                auto all = co_await member.send<&Fan::all>();
                CHECK(all == first);
            }
            auto listed = co_await group_members("room");
            CHECK(listed.size() == members);
        });
    }
}
