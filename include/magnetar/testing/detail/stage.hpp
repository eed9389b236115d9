#pragma once
#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <utility>

#include <magnetar/actor/arbiter.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/actor/supervision/framework_commands.hpp>
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/actor/supervision/shutdown_order.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::testing::detail {

using magnetar::detail::ActorAccess;

// A loop with all that light actors need, and a first actor that is to the others what an arbiter is: but no
// fork server, no processes, no threads. A process has one at a time.
class Stage {
public:
    explicit Stage(std::unique_ptr<Engine> engine)
        : loop((check_alone(), std::move(engine)), {.spin = std::chrono::microseconds(0)}),
          resident_(loop),
          host_(loop),
          supervisor_(host_) {
        magnetar::detail::enlist_framework_commands();
        magnetar::detail::the_node = &host_;
        magnetar::detail::the_supervisor = &supervisor_;
        magnetar::detail::forget_exits();
        supervisor_.directory = &directory_;
        supervisor_.light_actors_only = true;
    }
    Stage(const Stage&) = delete;
    ~Stage() {
        magnetar::detail::the_node = nullptr;
        magnetar::detail::the_supervisor = nullptr;
    }
    static void check_alone() {
        if (magnetar::detail::the_node)
            throw std::logic_error("a process has one Simulation or Arbiter at a time");
    }

    // Runs `scenario(actor)` in a first actor, which ends with it; throws what it throws.
    template <class Scenario>
    void run(Scenario& scenario) {
        loop.run(live(scenario));
    }

    Actor<>& first() const {
        if (!root) throw std::logic_error("a simulation has actors while a scenario runs: it does not run");
        return *root;
    }
    std::size_t names_taken() const noexcept { return directory_.entries().size(); }

    EventLoop loop;
    // The first actor and the job of its scenario, while it runs.
    Actor<>* root = nullptr;
    Job<>* body = nullptr;

private:
    struct Root {
        explicit Root(Stage& s) : stage(s) {
            auto settings = magnetar::detail::settings_of(ArbiterOptions<>{});
            magnetar::detail::Pack<> none;
            stage.root = ActorAccess::make<void>(settings, stage.loop, ActorId::arbiter(), none);
            magnetar::detail::set_up(*stage.root, settings, "arbiter", Json::object());
            stage.host_.root = stage.root;
            stage.host_.arbiter = ActorAccess::address(*stage.root);
            stage.directory_.reserve("arbiter", ActorId::arbiter());
            stage.directory_.enter(stage.root->proxy(), Concurrency::process, ActorId::arbiter());
        }
        Root(const Root&) = delete;
        ~Root() {
            stage.directory_.remove(ActorId::arbiter());
            stage.host_.root = nullptr;
            ActorAccess::destroy(*std::exchange(stage.root, nullptr));
        }
        Stage& stage;
    };
    template <class Scenario>
    Task<> live(Scenario& scenario) {
        Root guard(*this);
        Actor<>& self = *root;
        ActorAccess::running(self);
        Job<ExitStatus> end = loop.start(ActorAccess::closed(self), nullptr);
        co_await yield();
        Job<> job = loop.start(scenario(self), &self);
        body = &job;
        std::exception_ptr error;
        try {
            co_await job;
        } catch (const Cancelled&) {  // it has stopped the actor
        } catch (...) {
            error = std::current_exception();
        }
        body = nullptr;
        self.stop();
        co_await end;
        if (error) std::rethrow_exception(error);
    }

    magnetar::detail::Resident resident_;
    magnetar::detail::Node host_;
    magnetar::detail::Directory directory_;
    magnetar::detail::Supervisor supervisor_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::testing::detail
