#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/actor/hooks.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/app/detail/app_config.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/listening_socket.hpp>
#include <magnetar/wire/codec.hpp>

namespace magnetar::inline MAGNETAR_MODE {
class Connection;
class DatagramSocket;
struct Datagram;
}  // namespace magnetar::inline MAGNETAR_MODE

namespace magnetar::inline MAGNETAR_MODE::detail {

// What serves connections or datagrams, with the worker's type erased.
template <class... What>
struct ErasedServe {
    Task<> (*plain)(What...) = nullptr;
    Task<> (*in_actor)(Actor<>&, What...) = nullptr;
    explicit operator bool() const noexcept { return plain || in_actor; }
    Task<> operator()(Actor<>& worker, What... what) const {
        return plain ? plain(std::forward<What>(what)...) : in_actor(worker, std::forward<What>(what)...);
    }
};

// What an application's workers run, beside the hooks that spawn() knows. Trivially copyable: the addresses
// are good in every process of the program, for all are forked from one image.
struct WorkerHooks {
    ErasedHook<> start;
    ErasedHook<Json&> on_params;  // the monitor's
    ErasedServe<Connection&> serve;
    ErasedServe<DatagramSocket&, Datagram> receive;
    ErasedHook<> stopping;
    ErasedHook<Json&> on_info;
};

// What an application listens on: the same for all its shares, so that it is closed for all of them. Only the
// arbiter's loop changes it, and a worker process its own.
using Sockets = std::shared_ptr<std::vector<ListeningSocket>>;
// May be used on any thread: a worker on another one may start while the program stops.
std::vector<ListeningSocket> copy_sockets(const Sockets& sockets);
void close_sockets(const Sockets& sockets) noexcept;

// What a worker is given of its application. Never changes: workers that are made after a change get another.
struct Share {
    std::string application;
    std::uint64_t generation = 0;
    std::shared_ptr<const AppConfig> config;
    Sockets sockets;
    WorkerHooks hooks;
    ActorProxy<> monitor;
    std::vector<std::string> applications;  // all that run in this program
    std::vector<std::string> log_level;
    LogFormat log_format = LogFormat::automatic;
    std::string log_file;
};

// The shares of one application in this process. What is published stays until the process ends: settings()
// gives references to it.
struct AppRecord {
    std::string name;
    bool running = false;
    std::map<std::uint64_t, std::shared_ptr<const Share>> shares;  // by generation
};

// The applications that are known in this process. May be used on any thread.
void publish_share(std::shared_ptr<const Share> share);
// The newest, or null.
std::shared_ptr<const Share> newest_share(std::string_view application);
std::shared_ptr<const Share> share_of(std::string_view application, std::uint64_t generation);
// Adds what a worker of that application needs to find its share, and what the monitor's own hook has. The
// monitor is the actor that runs now.
void add_share_params(std::string_view monitor, Json& params);
// It is not running any more.
void forget_application(std::string_view application);
std::vector<std::string> known_applications();
// What the actor that runs now has been given: its own, or that of the nearest actor above it; otherwise the
// only one in this process with that type of settings. Throws std::logic_error when there is none.
const Share& current_share(const void* settings_tag);

// This process logs as the share says.
void configure_share_log(const Share& share);
// As it travels to a process: bytes, with the sockets beside them.
std::string share_to_wire(const Share& share);
std::shared_ptr<const Share> share_from_wire(const std::string& bytes, const UserSettingsType& type,
                                             Serves serves);

// The argument that a worker's state is made from. It stands for the newest share at the time when it is
// copied, so that a monitor that is given one makes each worker with what is current then.
template <class State, class Settings, Serves serves>
class Seed {
public:
    explicit Seed(std::shared_ptr<const Share> share) : share_(std::move(share)) {}
    Seed(Seed&&) noexcept = default;
    Seed& operator=(Seed&&) noexcept = default;
    Seed(const Seed& other) : share_(newest_share(other.share_->application)) {
        if (!share_) share_ = other.share_;
    }
    Seed& operator=(const Seed& other) { return *this = Seed(other); }

    operator State() const {
        [[maybe_unused]] auto& settings = *static_cast<const Settings*>(share_->config->user.get());
        if constexpr (std::is_constructible_v<State, const Settings&>) return State(settings);
        else return State();
    }
    const Share& share() const noexcept { return *share_; }

private:
    std::shared_ptr<const Share> share_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

template <class State, class Settings, magnetar::detail::Serves serves>
struct magnetar::Codec<magnetar::detail::Seed<State, Settings, serves>> {
    static std::string to_wire(const detail::Seed<State, Settings, serves>& seed) {
        return detail::share_to_wire(seed.share());
    }
    static detail::Seed<State, Settings, serves> from_wire(const std::string& bytes) {
        return detail::Seed<State, Settings, serves>(
            detail::share_from_wire(bytes, detail::user_settings_type<Settings>, serves));
    }
};

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/share.ipp>
#endif
