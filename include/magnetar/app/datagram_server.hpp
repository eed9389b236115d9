#pragma once
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/app/application.hpp>
#include <magnetar/app/detail/serving.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/datagram.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// What a server does with each datagram: a function, or a captureless lambda, that is a coroutine and takes
/// the socket and the datagram, or the worker and these. The next one is received when it has returned.
template <class Worker>
class ReceiveHook {
public:
    constexpr ReceiveHook() noexcept = default;
    constexpr ReceiveHook(Task<> (*receive)(DatagramSocket&, Datagram)) noexcept : plain_(receive) {}
    template <class F>
        requires(!std::is_same_v<F, ReceiveHook> &&
                 !std::is_convertible_v<F, Task<> (*)(DatagramSocket&, Datagram)>)
    constexpr ReceiveHook(F) noexcept {
        constexpr bool stateless = std::is_empty_v<F> && std::is_default_constructible_v<F>;
        static_assert(
            stateless,
            "serve is stateless: its lambda must not capture; keep what it needs in the worker's state");
        constexpr bool callable =
            std::is_invocable_r_v<Task<>, F&, Actor<Worker>&, DatagramSocket&, Datagram>;
        static_assert(callable || !stateless,
                      "serve is a coroutine that takes the socket and the datagram, or the worker and these: "
                      "[](DatagramSocket& socket, Datagram datagram) -> Task<> { ... }");
        if constexpr (stateless && callable)
            in_actor_ = [](Actor<>& actor, DatagramSocket& socket, Datagram datagram) {
                return F{}(static_cast<Actor<Worker>&>(actor), socket, datagram);
            };
    }
    explicit operator bool() const noexcept { return plain_ || in_actor_; }

private:
    template <class, class>
    friend class DatagramServer;
    Task<> (*plain_)(DatagramSocket&, Datagram) = nullptr;
    Task<> (*in_actor_)(Actor<>&, DatagramSocket&, Datagram) = nullptr;
};

/// What a server of datagrams is told; see SocketServerOptions.
template <class State = void>
struct DatagramServerOptions {
    using Worker = detail::WorkerState<State>;

    std::string_view name{};
    std::string_view description{}, version{};
    std::uint32_t workers = 1;
    /// What each datagram is for.
    ReceiveHook<Worker> serve{};
    /// Where it receives unless a setting says otherwise: see `--bind`.
    std::string_view bind = "127.0.0.1:8080";
    SpawnOptions<Worker> worker{};
    std::uint32_t restarts = 10;
    std::chrono::nanoseconds window = std::chrono::seconds(60);
    ActorHook<"started", Monitor<Worker>, true> started{};
};

/// A server of datagrams, by UDP or unix sockets, with many workers that receive from one socket: a datagram
/// is one worker's, and what comes during a reload waits in the socket for the next.
///
///     Task<> echo_back(DatagramSocket& socket, Datagram datagram) {
///         co_await socket.send_to(datagram.data, datagram.from);
///     }
///     DatagramServer<>({.name = "echo", .serve = echo_back}).start(argc, argv);
template <class State = void, class Settings = NoSettings>
class DatagramServer : public detail::TypedApplication<State, Settings, detail::Serves::datagrams> {
    using Base = detail::TypedApplication<State, Settings, detail::Serves::datagrams>;
    using Worker = detail::WorkerState<State>;

public:
    /// `settings`: what the code wants instead of the struct's defaults. Throws std::invalid_argument without
    /// `serve`.
    explicit DatagramServer(const DatagramServerOptions<State>& options, Settings settings = {})
        : Base(application_options(options), std::move(settings)),
          serve_(options.serve),
          bind_(options.bind) {
        if (!serve_)
            throw std::invalid_argument("a DatagramServer needs {.serve = ...}: what to do with a datagram");
    }
    /// See Application::start.
    int start(int argc, char** argv) {
        return detail::run_program({this->name(), this->description(), this->version()}, {this}, this->name(),
                                   argc, argv);
    }
    /// See Application::stop.
    void stop() { this->stop_monitor(); }

    std::unique_ptr<detail::AppConfig> code_config() const override {
        auto code = Base::code_config();
        code->binding.bind = {bind_};
        return code;
    }
    detail::WorkerHooks hooks() const override {
        detail::WorkerHooks hooks = Base::hooks();
        hooks.receive = serve_.plain_;
        hooks.receive_in_actor = serve_.in_actor_;
        return hooks;
    }

private:
    void adapt(SpawnOptions<Worker>& worker) const override {
        worker.start = [](Actor<Worker>& self) -> Task<> { return detail::start_datagram_worker(self); };
        worker.stopping = [](Actor<Worker>& self) -> Task<> { return detail::stop_datagram_worker(self); };
        worker.on_info = [](Actor<Worker>& self, Json& about) { detail::add_datagram_info(self, about); };
    }
    static ApplicationOptions<State> application_options(const DatagramServerOptions<State>& options) {
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
    ReceiveHook<Worker> serve_;
    std::string bind_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
