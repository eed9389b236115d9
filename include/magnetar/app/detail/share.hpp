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

// The `serve` hook for connections or datagrams, with the worker's type erased.
template <class... What>
struct ErasedServe {
    Task<> (*plain)(What...) = nullptr;
    Task<> (*in_actor)(Actor<>&, What...) = nullptr;
    explicit operator bool() const noexcept { return plain || in_actor; }
    Task<> operator()(Actor<>& worker, What... what) const {
        return plain ? plain(std::forward<What>(what)...) : in_actor(worker, std::forward<What>(what)...);
    }
};

// The hooks of an application's workers, in addition to those that spawn() knows. Trivially copyable: the
// addresses are valid in every process of the program, since all are forked from one image.
struct WorkerHooks {
    ErasedHook<> start;
    ErasedHook<Json&> on_params;  // the monitor's
    ErasedServe<Connection&> serve;
    ErasedServe<DatagramSocket&, Datagram> receive;
    ErasedHook<> stopping;
    ErasedHook<Json&> on_info;
};

// The sockets of an application: one object for all its shares, so that they are closed for all of them.
// Changed only on the arbiter's loop; a worker process has its own object.
using Sockets = std::shared_ptr<std::vector<ListeningSocket>>;
// Thread-safe: a worker on another thread may start while the program stops.
std::vector<ListeningSocket> copy_sockets(const Sockets& sockets);
void close_sockets(const Sockets& sockets) noexcept;

// What an application passes to a worker. Immutable: workers made after a change get another share.
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

// The shares of one application in this process. Published shares stay until the process ends: settings()
// returns references into them.
struct AppRecord {
    std::string name;
    bool running = false;
    std::map<std::uint64_t, std::shared_ptr<const Share>> shares;  // by generation
};

// The applications that are known in this process. Thread-safe.
void publish_share(std::shared_ptr<const Share> share);
// The newest, or null.
std::shared_ptr<const Share> newest_share(std::string_view application);
std::shared_ptr<const Share> share_of(std::string_view application, std::uint64_t generation);
// Adds what a worker of that application needs to find its share, then runs the monitor's own hook. Called in
// the monitor.
void add_share_params(std::string_view monitor, Json& params);
// Marks it as not running any more.
void forget_application(std::string_view application);
std::vector<std::string> known_applications();
// The share of the current actor, or of its nearest ancestor that has one; otherwise the only one in this
// process with that type of settings. Throws std::logic_error when there is none.
const Share& current_share(const void* settings_tag);

// Configures the log of this process as the share states.
void configure_share_log(const Share& share);
// The form in which it is sent to a process: bytes, and the sockets as passed descriptors.
std::string share_to_wire(const Share& share);
std::shared_ptr<const Share> share_from_wire(const std::string& bytes, const UserSettingsType& type,
                                             Serves serves);

// The argument from which a worker's state is made. A copy has the newest share at the time of the copy, so a
// monitor makes each worker with the share that is current then.
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
