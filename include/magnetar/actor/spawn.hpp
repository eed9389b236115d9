#pragma once
#include <fmt/core.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/actor/detail/root.hpp>
#include <magnetar/actor/send.hpp>
#include <magnetar/actor/tell.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// A state's argument as it is kept until the state is made: text literals as std::string.
template <class A>
using Kept = std::conditional_t<std::is_convertible_v<A, std::string_view> &&
                                    !std::is_same_v<std::decay_t<A>, std::string>,
                                std::string, std::decay_t<A>>;

template <class State, class... A>
consteval bool makes_state() {
    if constexpr (std::is_void_v<State>) return sizeof...(A) == 0;
    else return std::is_constructible_v<State, A...> || requires(A&&... a) { State{std::forward<A>(a)...}; };
}
template <class State, class... A>
concept StateFrom = makes_state<State, A...>();

inline Task<ActorProxy<>> spawn_process(Actor<>&, SpawnPlan plan) {
    return the_supervisor->spawn_process(std::move(plan));
}
template <>
inline constexpr bool is_system<spawn_process> = true;
template <>
inline constexpr bool is_observer<spawn_process> = true;

struct ThreadBirth {
    std::string name;
    ActorId id;
    ActorSettings settings;
    Json params;
    std::unique_ptr<Maker> maker;
};
Task<ActorProxy<>> spawn_thread(Actor<>&, ThreadBirth birth);
template <>
inline constexpr bool is_system<spawn_thread> = true;
template <>
inline constexpr bool is_observer<spawn_thread> = true;

// The actor that spawns; throws when none does.
Actor<>& spawner();
Json child_params(Actor<>& parent);
// What the arbiter and others threw on the way, as spawn() promises it.
[[noreturn]] void rethrow_spawn_error(const std::exception_ptr& error);

template <auto F, class Plan>
Task<ActorProxy<>> ask_for(Address manager, Plan plan) {
    co_return co_await SendAwaiter<F>(manager, std::move(plan));
}
Task<> undo_spawn(Job<ActorProxy<>> spawning);
// A manager makes an actor to the end, even if the one who asked for it has given up: then it is ended again.
template <auto F, class Plan>
Task<ActorProxy<>> spawn_by(Address manager, Plan plan) {
    EventLoop& loop = *EventLoop::current();
    Job<ActorProxy<>> spawning = loop.start(ask_for<F>(manager, std::move(plan)), nullptr);
    try {
        co_return co_await spawning;
    } catch (const Cancelled&) {}
    loop.start(undo_spawn(std::move(spawning)), nullptr).detach();
    throw Cancelled();
}

template <class State, class... A>
Task<ActorProxy<State>> spawn_elsewhere(Actor<>& parent, std::string name, ActorId id, ActorSettings settings,
                                        Pack<A...> arguments) {
    std::exception_ptr error;
    try {
        if (settings.concurrency == Concurrency::process) {
            if constexpr (lives_in_process<State>()) {
                throw SpawnError(
                    "an actor type with in_process = true cannot be a process: its messages could not reach it");
            } else if constexpr ((Wireable<A> && ...)) {
                SpawnPlan plan;
                plan.type = reinterpret_cast<std::uint64_t>(&actor_type_of<State, A...>);
                plan.name = std::move(name);
                plan.id = id.value;
                plan.settings = SpawnPlan::pack(settings);
                plan.params = child_params(parent);
                Writer encoded;
                {
                    Descriptors::Opened here(plan.sockets);
                    encode(encoded, arguments);
                }
                plan.arguments.assign(encoded.bytes().begin(), encoded.bytes().end());
                ActorProxy<> proxy = co_await spawn_by<spawn_process>(the_host->arbiter, std::move(plan));
                co_return proxy.template as<State>();
            } else {
                throw SpawnError(
                    "the arguments of this actor's state cannot leave the process: make them types that the codec knows");
            }
        }
        struct TypedMaker final : Maker {
            explicit TypedMaker(Pack<A...>&& a) : arguments(std::move(a)) {}
            Actor<>* make(const ActorSettings& s, EventLoop& loop, ActorId i) override {
                return ActorAccess::make<State>(s, loop, i, arguments);
            }
            Pack<A...> arguments;
        };
        ThreadBirth birth;
        birth.name = std::move(name);
        birth.id = id;
        birth.settings = settings;
        birth.params = child_params(parent);
        birth.maker = std::make_unique<TypedMaker>(std::move(arguments));
        Address root = ActorAccess::address(*the_host->root);
        ActorProxy<> proxy = co_await spawn_by<spawn_thread>(root, std::move(birth));
        co_return proxy.template as<State>();
    } catch (const std::exception&) {
        error = std::current_exception();
    }
    rethrow_spawn_error(error);
}

// A light actor with a name, an id of its own, or hooks.
template <class State, class... A>
Task<ActorProxy<State>> spawn_light(Actor<>& parent, std::string name, ActorId id, ActorSettings settings,
                                    Pack<A...> arguments) {
    bool listed = !name.empty() || id;
    if (!id) id = fresh_id();
    Json params = child_params(parent);
    Address arbiter = the_host->arbiter;
    std::exception_ptr error;
    bool given_up = false;
    if (listed) {
        try {
            auto taken = co_await SendAwaiter<directory_reserve>(arbiter, name, id.value, this_host);
            if (!taken.empty()) error = std::make_exception_ptr(SpawnError(taken));
        } catch (const Cancelled&) {
            given_up = true;
        } catch (const std::exception&) {
            error = std::current_exception();
        }
        if (given_up) {
            post_tell<directory_release>(arbiter, name, id.value);
            throw Cancelled();
        }
        if (error) rethrow_spawn_error(error);
    }
    Actor<>* actor = nullptr;
    std::string reason;
    int code = 1;
    try {
        actor = ActorAccess::make<State>(settings, parent.loop(), id, arguments);
    } catch (...) {
        reason = start_failure(std::current_exception()).to_string();
    }
    if (!actor) {
        if (listed) post_tell<directory_remove>(arbiter, id.value);
        throw SpawnError(fmt::format("spawn of {}: {}", name.empty() ? id.to_string() : name, reason));
    }
    set_up(*actor, settings, name, std::move(params));
    ActorAccess::extras(*actor).registered = listed;
    ActorAccess::adopt(parent, *actor);
    // From here on it may end at any moment.
    Address address = ActorAccess::address(*actor);
    ActorProxy<> proxy(address, SharedName(name));
    try {
        if (auto failure = co_await started(*actor))
            reason = fmt::format("its start failed: {}", failure->to_string()), code = failure->exit_code();
        else if (listed)
            co_await SendAwaiter<directory_enter>(arbiter, proxy, Concurrency::coroutine, parent.id().value);
    } catch (const Cancelled&) {
        given_up = true;
    } catch (const std::exception& e) {
        reason = e.what();
    }
    actor = resident(address);
    if (given_up) {
        if (actor) ActorAccess::exit(*actor, 1);
        throw Cancelled();
    }
    if (!reason.empty()) {
        if (actor) {
            ActorAccess::exit(*actor, code);
            co_await ActorAccess::closed(*actor);
        }
        throw SpawnError(fmt::format("spawn of {}: {}", name.empty() ? id.to_string() : name, reason));
    }
    if (actor) ActorAccess::run_periodic_task(*actor);
    co_return proxy.template as<State>();
}

/// What spawn() gives: await it for the proxy.
template <class State, class... A>
class [[nodiscard("an actor is spawned when this is awaited: co_await it")]] SpawnAwaiter {
public:
    SpawnAwaiter(const SpawnOptions<State>& options, Pack<A...>&& arguments)
        : settings_(settings_of(options)),
          name_(options.name),
          id_(options.id),
          arguments_(std::move(arguments)) {
        check_settings(name_, settings_);
        if (the_supervisor && the_supervisor->light_actors_only)
            settings_.concurrency = Concurrency::coroutine;
    }

    // A light actor without name and hooks is made on the spot: a million of them is normal.
    bool await_ready() {
        Actor<>& parent = spawner();
        if (settings_.concurrency != Concurrency::coroutine) {
            task_.emplace(spawn_elsewhere<State, A...>(parent, std::move(name_), id_, settings_,
                                                       std::move(arguments_)));
        } else if (!name_.empty() || id_ || !settings_.plain()) {
            task_.emplace(
                spawn_light<State, A...>(parent, std::move(name_), id_, settings_, std::move(arguments_)));
        } else {
            proxy_ = make_plain(parent);
            return true;
        }
        return false;
    }
    bool await_suspend(Suspension parent) {
        awaiter_.emplace(task_->operator co_await());
        return awaiter_->await_suspend(parent);
    }
    ActorProxy<State> await_resume() { return task_ ? awaiter_->await_resume() : std::move(proxy_); }

private:
    ActorProxy<State> make_plain(Actor<>& parent) {
        auto* extras = ActorAccess::extras_if(parent);
        std::optional<Json> params;
        if (extras && extras->settings.on_params) params = child_params(parent);
        Actor<>* actor;
        ActorId id = fresh_id();
        try {
            actor = ActorAccess::make<State>(settings_, parent.loop(), id, arguments_);
        } catch (...) {
            throw SpawnError(fmt::format("spawn of {}: {}", id.to_string(),
                                         start_failure(std::current_exception()).to_string()));
        }
        if (params) ActorAccess::extras(*actor).params = *std::move(params);
        ActorAccess::adopt(parent, *actor);
        ActorAccess::running(*actor);
        return ActorProxy<State>(ActorAccess::address(*actor), {});
    }
    using Awaiter = decltype(std::declval<Task<ActorProxy<State>>&>().operator co_await());
    ActorSettings settings_;
    std::string name_;
    ActorId id_;
    Pack<A...> arguments_;
    std::optional<Task<ActorProxy<State>>> task_;
    std::optional<Awaiter> awaiter_;
    ActorProxy<State> proxy_;
};

}  // namespace detail

/// Makes an actor with a state of type State (none: `spawn({...})`), constructed there from the arguments,
/// and gives its proxy when it runs and its start hook has returned. See SpawnOptions. The spawner is the
/// actor that runs now.
///
///     auto counter = co_await spawn<Counter>({.name = "counter"}, 40);
///     auto worker = co_await spawn({.start = [](Actor<>& self) { self.log().info("here"); }});
///
/// Throws std::invalid_argument for options that make no sense, std::logic_error where no actor runs, and
/// SpawnError, with the reason, when the actor cannot be made, its name or id is in use, or its start hook
/// throws: nothing of it is left then.
template <class State = void, class... A>
detail::SpawnAwaiter<State, detail::Kept<A>...> spawn(SpawnOptions<State> options, A&&... arguments) {
    static_assert(
        detail::StateFrom<State, detail::Kept<A>...>,
        "the actor's state cannot be made from these arguments: give spawn() what its constructor or its braces take");
    if constexpr (detail::StateFrom<State, detail::Kept<A>...>)
        return {options, detail::Pack<detail::Kept<A>...>(std::forward<A>(arguments)...)};
}

template <class State, class... A>
auto Actor<void>::spawn(SpawnOptions<State> options, A&&... arguments) {
    return magnetar::spawn<State>(options, std::forward<A>(arguments)...);
}

}  // namespace magnetar::inline MAGNETAR_MODE
