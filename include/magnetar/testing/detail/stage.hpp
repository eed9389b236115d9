#pragma once
#include <exception>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <utility>

#include <magnetar/actor/arbiter.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/supervision/runtime.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::testing::detail {

using magnetar::detail::ActorCore;
using magnetar::detail::core_of;

// The runtime of a simulation: a loop for light actors, and a main actor in the role of the arbiter, but no
// fork server, no processes, no threads. A process has one at a time.
class Stage {
public:
    explicit Stage(std::unique_ptr<Engine> engine)
        : runtime_({.spin = std::chrono::microseconds(0)}, std::move(engine)), loop(runtime_.loop) {
        runtime_.supervisor.light_actors_only = true;
    }
    Stage(const Stage&) = delete;

    // Runs `scenario(actor)` in a new main actor, which ends with it. Rethrows the scenario's exception.
    template <class Scenario>
    void run(Scenario& scenario) {
        loop.run(live(scenario));
    }

    Actor<>& first() const {
        if (!main_actor)
            throw std::logic_error("no scenario is running: a simulation has actors only while one runs");
        return *main_actor;
    }
    std::size_t names_taken() const noexcept { return runtime_.directory.entries().size(); }

    // The main actor and the job of its scenario; null while no scenario runs.
    Actor<>* main_actor = nullptr;
    Job<>* body = nullptr;

private:
    struct Root {
        explicit Root(Stage& s) : stage(s) {
            auto settings = magnetar::detail::settings_of(ArbiterOptions<>{});
            magnetar::detail::Arguments<> none;
            stage.main_actor = ActorCore::make<void>(settings, stage.loop, ActorId::arbiter(), none);
            stage.runtime_.enter(*stage.main_actor, settings, "arbiter");
        }
        Root(const Root&) = delete;
        ~Root() {
            stage.runtime_.leave();
            ActorCore::destroy(std::exchange(stage.main_actor, nullptr));
        }
        Stage& stage;
    };
    template <class Scenario>
    Task<> live(Scenario& scenario) {
        Root guard(*this);
        Actor<>& self = *main_actor;
        core_of(self).set_running();
        Job<ExitStatus> end = loop.start(core_of(self).wait_closed(), nullptr);
        co_await yield();
        Job<> job = core_of(self).start_job(scenario(self));
        body = &job;
        std::exception_ptr error;
        try {
            co_await job;
        } catch (const Cancelled&) {  // it has stopped its actor, or was cancelled as stuck
        } catch (...) {
            error = std::current_exception();
        }
        body = nullptr;
        self.stop();
        co_await end;
        if (error) std::rethrow_exception(error);
    }

    magnetar::detail::ArbiterRuntime runtime_;

public:
    EventLoop& loop;
};

}  // namespace magnetar::inline MAGNETAR_MODE::testing::detail
