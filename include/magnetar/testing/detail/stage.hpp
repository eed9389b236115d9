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

// A loop with all that light actors need, and a first actor that is to the others what an arbiter is: but no
// fork server, no processes, no threads. A process has one at a time.
class Stage {
public:
    explicit Stage(std::unique_ptr<Engine> engine)
        : runtime_({.spin = std::chrono::microseconds(0)}, std::move(engine)), loop(runtime_.loop) {
        runtime_.supervisor.light_actors_only = true;
    }
    Stage(const Stage&) = delete;

    // Runs `scenario(actor)` in a first actor, which ends with it; throws what it throws.
    template <class Scenario>
    void run(Scenario& scenario) {
        loop.run(live(scenario));
    }

    Actor<>& first() const {
        if (!main_actor)
            throw std::logic_error("a simulation has actors while a scenario runs: it does not run");
        return *main_actor;
    }
    std::size_t names_taken() const noexcept { return runtime_.directory.entries().size(); }

    // The first actor and the job of its scenario, while it runs.
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
        } catch (const Cancelled&) {  // it has stopped the actor
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
