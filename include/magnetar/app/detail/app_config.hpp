#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/actor/identity.hpp>
#include <magnetar/app/detail/setting_table.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/address_range.hpp>

template <>
struct magnetar::SettingType<magnetar::AddressRange> {
    static AddressRange read(std::string_view text) { return AddressRange::parse(text); }
    static std::string write(const AddressRange& range) { return range.to_string(); }
    static constexpr std::string_view hint = "ADDRESS";
};

// The settings that every application has, grouped as in --help.
namespace magnetar::inline MAGNETAR_MODE::detail {

// More than any machine can run: a greater number is a typing error.
inline constexpr std::uint32_t most_workers = 100'000;
// The limit of the type that listen(2) accepts.
inline constexpr std::uint32_t most_backlog = std::numeric_limits<int>::max();

enum class EngineChoice : std::uint8_t { automatic, io_uring, epoll };

// One set for a whole program.
struct ProcessSettings {
    std::string config;
    std::vector<std::string> log_level;
    LogFormat log_format = LogFormat::automatic;
    std::string log_file;
    std::string pid_file;
    std::string control = "auto";
    std::string metrics;
    bool daemon = false;
    std::string user, group, umask, chdir;
    EngineChoice engine = EngineChoice::automatic;
    std::vector<std::string> watch;
    std::chrono::nanoseconds drain_delay{};

    static constexpr Help help[] = {
        {"config", "a TOML file to read settings from"},
        {"log_level", "lowest level written: debug, info, warning, error or off; NAME=LEVEL for one logger"},
        {"log_format", "how lines are written; automatic is text"},
        {"log_file", "where lines go; standard error if there is none"},
        {"pid_file", "contains the process id of the first process while it runs"},
        {"control", "the socket for --info, --stop, --reload; a path, auto or none"},
        {"metrics", "where /metrics, /live and /ready are served, as 127.0.0.1:9100"},
        {"daemon", "run in the background"},
        {"user", "become this user, by name or number, when the sockets are open"},
        {"group", "become this group, by name or number"},
        {"umask", "file mode mask of new files, in octal, as 027"},
        {"chdir", "change to this directory first"},
        {"engine", "I/O engine of the event loops"},
        {"watch", "files whose change triggers a reload"},
        {"drain_delay", "how long to report \"not ready\" before a stop begins"},
    };
};

// One set for each application.
struct WorkerSettings {
    std::uint32_t workers = 1;
    Concurrency concurrency = Concurrency::process;
    std::chrono::nanoseconds timeout = std::chrono::seconds(30);
    std::chrono::nanoseconds period{};
    std::chrono::nanoseconds exit_timeout = std::chrono::seconds(3);
    std::uint32_t threads = 5;
    std::uint32_t mailbox = 1024;
    std::uint32_t restarts = 10;
    std::chrono::nanoseconds window = std::chrono::seconds(60);
    std::chrono::nanoseconds max_lifetime{};
    ByteSize max_memory{};

    static constexpr Help help[] = {
        {"workers", "number of workers; 0: run the worker in the first process, for debugging"},
        {"concurrency", "how workers run"},
        {"timeout", "heartbeat timeout: a worker not heard from for this long is stopped"},
        {"period", "how often a worker runs its periodic task; 0s: 0.3 of the timeout"},
        {"exit_timeout", "how long a stopping worker may take to finish what it has accepted"},
        {"threads", "maximum number of threads of a worker's executor"},
        {"mailbox", "maximum number of messages queued for a worker"},
        {"restarts", "maximum number of worker restarts within the window"},
        {"window", "the time in which restarts are counted"},
        {"max_lifetime", "a worker is replaced at this age; 0s: never"},
        {"max_memory", "a worker process with at least this much resident memory is replaced; 0: never"},
    };
};

// One set for each server.
struct BindSettings {
    std::vector<std::string> bind{"127.0.0.1:8080"};

    static constexpr Help help[] = {
        {"bind", "where to listen: host:port, :port, [v6]:port or unix:path"},
    };
};
// One more for each server with connections.
struct ServerSettings {
    std::uint32_t backlog = 4096;
    bool reuse_port = false;
    std::vector<AddressRange> proxies;
    std::uint32_t max_connections = 10'000;
    std::chrono::milliseconds keep_alive = std::chrono::seconds(75);
    std::uint64_t max_requests = 0;
    std::uint32_t max_requests_jitter = 10;

    static constexpr Help help[] = {
        {"backlog", "maximum number of connections waiting to be accepted"},
        {"reuse_port", "each worker listens with a socket of its own; a reload may reset connections"},
        {"proxies", "trusted proxies, which send a PROXY header: 10.0.0.0/8, ::1, unix"},
        {"max_connections", "maximum number of connections of a worker at a time; more wait. 0: no limit"},
        {"keep_alive", "idle timeout of a connection; 0s: never"},
        {"max_requests", "a worker is replaced after this number of connections; 0: never"},
        {"max_requests_jitter", "by how many percent max_requests varies from worker to worker"},
    };
};

// What an application serves.
enum class Serves : std::uint8_t { nothing, connections, datagrams };

// Type-erased operations on an application's own settings.
struct UserSettingsType {
    const void* tag;  // its address identifies the type
    std::shared_ptr<void> (*make)();
    std::shared_ptr<void> (*copy)(const void*);
    void (*add)(SettingTable&, void*, const std::string& prefix);
};
template <class S>
inline constexpr char settings_tag = 0;
template <class S>
inline constexpr UserSettingsType user_settings_type{
    &settings_tag<S>, [] { return std::shared_ptr<void>(std::make_shared<S>()); },
    [](const void* value) {
        return std::shared_ptr<void>(std::make_shared<S>(*static_cast<const S*>(value)));
    },
    [](SettingTable& table, void* value, const std::string& prefix) {
        table.add(*static_cast<S*>(value), "Settings", prefix);
    }};

// The settings of one application.
struct AppConfig {
    AppConfig(const UserSettingsType& t, Serves s);
    AppConfig(const AppConfig& other);
    AppConfig& operator=(const AppConfig&) = delete;
    ~AppConfig();

    void add_to(SettingTable& table, const std::string& prefix);
    // The values as sent to a worker, which has the same settings types.
    std::vector<std::vector<std::string>> pack() const;
    void unpack(const std::vector<std::vector<std::string>>& values);

    const UserSettingsType* type;
    Serves serves;
    WorkerSettings workers;
    BindSettings binding;
    ServerSettings serving;
    std::shared_ptr<void> user;
    std::vector<std::string> origins;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/app_config.ipp>
#endif
