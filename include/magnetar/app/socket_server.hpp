#pragma once
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/app/application.hpp>
#include <magnetar/app/detail/serving.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/connection.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// What a server does with each connection: a function, or a captureless lambda, that is a coroutine and
/// takes the connection, or the worker and the connection. The connection closes when it returns.
template <class Worker>
class ServeHook {
public:
    constexpr ServeHook() noexcept = default;
    constexpr ServeHook(Task<> (*serve)(Connection&)) noexcept : plain_(serve) {}
    template <class F>
        requires(!std::is_same_v<F, ServeHook> && !std::is_convertible_v<F, Task<> (*)(Connection&)>)
    constexpr ServeHook(F) noexcept {
        constexpr bool stateless = std::is_empty_v<F> && std::is_default_constructible_v<F>;
        static_assert(
            stateless,
            "serve is stateless: its lambda must not capture; keep what it needs in the worker's state");
        constexpr bool callable = std::is_invocable_r_v<Task<>, F&, Actor<Worker>&, Connection&>;
        static_assert(callable || !stateless,
                      "serve is a coroutine that takes the connection, or the worker and the connection: "
                      "[](Connection& client) -> Task<> { ... }");
        if constexpr (stateless && callable)
            in_actor_ = [](Actor<>& actor, Connection& connection) {
                return F{}(static_cast<Actor<Worker>&>(actor), connection);
            };
    }
    explicit operator bool() const noexcept { return plain_ || in_actor_; }

private:
    template <class, class>
    friend class SocketServer;
    Task<> (*plain_)(Connection&) = nullptr;
    Task<> (*in_actor_)(Actor<>&, Connection&) = nullptr;
};

/// What a server is told; see ApplicationOptions for what is not described here.
template <class State = void>
struct SocketServerOptions {
    using Worker = detail::WorkerState<State>;

    std::string_view name{};
    std::string_view description{}, version{};
    std::uint32_t workers = 1;
    /// What each connection is for.
    ServeHook<Worker> serve{};
    /// Where it listens unless a setting says otherwise: see `--bind`.
    std::string_view bind = "127.0.0.1:8080";
    /// A start hook here has returned before the worker accepts its first connection.
    SpawnOptions<Worker> worker{};
    std::uint32_t restarts = 10;
    std::chrono::nanoseconds window = std::chrono::seconds(60);
    ActorHook<"started", Monitor<Worker>, true> started{};
};

/// A server of TCP or unix sockets with many workers: processes, threads or, for debuggers, the first process
/// alone. They accept from one socket, which is made once and never closed while it runs, so that a reload
/// refuses no connection.
///
///     int main(int argc, char** argv) {
///         return SocketServer<>({.name = "echo", .workers = 2, .serve = echo_back}).start(argc, argv);
///     }
///
/// A stop accepts no more, gives the connections exit_timeout to end, and cuts off the rest.
template <class State = void, class Settings = NoSettings>
class SocketServer : public detail::TypedApplication<State, Settings, detail::Serves::connections> {
    using Base = detail::TypedApplication<State, Settings, detail::Serves::connections>;
    using Worker = detail::WorkerState<State>;

public:
    /// `settings`: what the code wants instead of the struct's defaults. Throws std::invalid_argument without
    /// `serve`.
    explicit SocketServer(const SocketServerOptions<State>& options, Settings settings = {})
        : Base(application_options(options), std::move(settings)),
          serve_(options.serve),
          bind_(options.bind) {
        if (!serve_)
            throw std::invalid_argument("a SocketServer needs {.serve = ...}: what to do with a connection");
    }
    /// See Application::start.
    int start(int argc, char** argv) {
        return detail::run_program({this->name(), this->description(), this->version()}, {this}, this->name(),
                                   argc, argv);
    }
    /// See Application::start. Listens as its code says. Throws std::system_error when it cannot.
    Task<> start() { return detail::begin_application(*this); }
    /// See Application::stop.
    void stop() { this->stop_monitor(); }

    std::unique_ptr<detail::AppConfig> code_config() const override {
        auto code = Base::code_config();
        code->binding.bind = {bind_};
        return code;
    }
    detail::WorkerHooks hooks() const override {
        detail::WorkerHooks hooks = Base::hooks();
        hooks.serve = serve_.plain_;
        hooks.serve_in_actor = serve_.in_actor_;
        return hooks;
    }

private:
    void adapt(SpawnOptions<Worker>& worker) const override {
        worker.start = [](Actor<Worker>& self) -> Task<> { return detail::start_server_worker(self); };
    }
    static ApplicationOptions<State> application_options(const SocketServerOptions<State>& options) {
        ApplicationOptions<State> all;
        all.name = options.name;
        all.description = options.description;
        all.version = options.version;
        all.workers = options.workers;
        all.worker = options.worker;
        all.restarts = options.restarts;
        all.window = options.window;
        all.started = options.started;
        return all;
    }
    ServeHook<Worker> serve_;
    std::string bind_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
