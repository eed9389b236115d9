#pragma once
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <magnetar/app/application.hpp>
#include <magnetar/app/detail/share.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The handler of each connection (`What` is Connection&) or datagram (DatagramSocket&, Datagram): a
/// function, or a captureless lambda, that is a coroutine and takes these arguments, or the worker and these.
template <class Worker, class... What>
class ServeHook {
public:
    constexpr ServeHook() noexcept = default;
    template <class F>
        requires(!std::is_same_v<F, ServeHook>)
    constexpr ServeHook(F serve) noexcept {
        if constexpr (std::is_convertible_v<F, Task<> (*)(What...)>) erased_.plain = serve;
        else take<F>();
    }
    explicit operator bool() const noexcept { return bool(erased_); }
    const detail::ErasedServe<What...>& erased() const noexcept { return erased_; }

private:
    detail::ErasedServe<What...> erased_;

    template <class F>
    constexpr void take() noexcept {
        constexpr bool stateless = std::is_empty_v<F> && std::is_default_constructible_v<F>;
        static_assert(
            stateless,
            "serve is stateless: its lambda must not capture; keep what it needs in the worker's state");
        constexpr bool callable = std::is_invocable_r_v<Task<>, F&, Actor<Worker>&, What...>;
        static_assert(
            callable || !stateless,
            "serve is a coroutine that takes a Connection&, or a DatagramSocket& and a Datagram, or "
            "the worker and these: [](Connection& client) -> Task<> { ... }");
        if constexpr (stateless && callable)
            erased_.in_actor = [](Actor<>& actor, What... what) {
                return F{}(static_cast<Actor<Worker>&>(actor), std::forward<What>(what)...);
            };
    }
};

/// A server's options; see ApplicationOptions for those that are not described here.
template <class State, class... What>
struct ServerOptions {
    using Worker = detail::WorkerState<State>;

    std::string_view name{};
    std::string_view description{}, version{};
    std::uint32_t workers = 1;
    /// Handles each connection or datagram.
    ServeHook<Worker, What...> serve{};
    /// The address on which it listens unless a setting overrides it, see `--bind`.
    std::string_view bind = "127.0.0.1:8080";
    /// Its start hook returns before the worker accepts its first connection or datagram.
    SpawnOptions<Worker> worker{};
    std::uint32_t restarts = 10;
    std::chrono::nanoseconds window = std::chrono::seconds(60);
    ActorHook<"started", Monitor<Worker>, true> started{};
    ActorHook<"ready", Monitor<Worker>, false, bool&> ready{};
};

namespace detail {

// The common base of connection and datagram servers.
template <class State, class Settings, Serves serves, class... What>
class Server : public TypedApplication<State, Settings, serves> {
    using Base = TypedApplication<State, Settings, serves>;

public:
    /// `settings` replaces the defaults of the struct. Throws std::invalid_argument without `serve`.
    explicit Server(const ServerOptions<State, What...>& options, Settings settings = {})
        : Base(application_options(options), std::move(settings)),
          serve_(options.serve.erased()),
          bind_(options.bind) {
        if (!serve_) throw_no_serve(this->name());
    }
    std::unique_ptr<AppConfig> code_config() const override {
        auto code = Base::code_config();
        code->binding.bind = {bind_};
        return code;
    }

protected:
    const ErasedServe<What...>& serve() const noexcept { return serve_; }

private:
    static ApplicationOptions<State> application_options(const ServerOptions<State, What...>& options) {
        ApplicationOptions<State> all;
        all.name = options.name;
        all.description = options.description;
        all.version = options.version;
        all.workers = options.workers;
        all.worker = options.worker;
        all.restarts = options.restarts;
        all.window = options.window;
        all.started = options.started;
        all.ready = options.ready;
        return all;
    }
    ErasedServe<What...> serve_;
    std::string bind_;
};

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
