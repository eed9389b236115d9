#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/app/detail/application_base.hpp>
#include <magnetar/app/detail/configuration.hpp>
#include <magnetar/app/detail/control.hpp>
#include <magnetar/app/detail/metrics.hpp>
#include <magnetar/app/detail/process.hpp>
#include <magnetar/app/detail/program.hpp>
#include <magnetar/app/detail/service_manager.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Opens the sockets of the application, as configured.
void open_sockets(ApplicationBase& application);

// A program that runs its applications under an arbiter. One at a time in a process; used only on the
// arbiter's loop while that runs.
class Service {
public:
    Service(ProgramText t, std::vector<ApplicationBase*> a, std::string w, std::vector<std::string> arguments)
        : text(std::move(t)),
          applications(std::move(a)),
          without_prefix_(std::move(w)),
          arguments_(std::move(arguments)) {}
    Service(const Service&) = delete;
    // Closes the sockets of its applications.
    ~Service();

    static Service*& current() noexcept {
        static Service* program = nullptr;
        return program;
    }

    // Reads the settings from all sources; stores the words that are not settings in `words`. Throws
    // SettingError.
    std::unique_ptr<Configuration> configure(std::vector<SettingTable::Given>* words = nullptr);
    // The steps before the arbiter: daemon, sockets, user, log. Throws when one fails.
    void prepare(std::unique_ptr<Configuration> configuration);
    // The arbiter's start hook: makes the monitors with their workers.
    static Task<> begin(Arbiter<>& arbiter);
    // Its stopping hook: reports not ready for `drain_delay` first, so that a load balancer sends no more
    // requests.
    static Task<> drain(Actor<>& arbiter);
    // The steps after it: ends all workers, then closes the control socket.
    static Task<> shut_down(Actor<>& arbiter);
    // Called when the arbiter has ended, before its destruction: the health server's thread must not use it
    // afterwards.
    void end();
    // Has the limit of descriptors suffice for the connections that the settings allow, or warns.
    void make_room_for_connections() const;
    // Reports to that thread that the loop runs, and whether all applications are ready.
    void beat();

    std::vector<std::string> names() const;
    LogOptions log_options() const;
    // Workers made from now on get the application's present settings.
    std::shared_ptr<const Share> publish(ApplicationBase& app) {
        return app.publish(present->process, names());
    }

    ProgramText text;
    std::vector<ApplicationBase*> applications;
    std::string control, metrics_address;
    std::unique_ptr<Configuration> present;
    Event ready;
    EventLoop* loop = nullptr;
    std::string_view state = "starting";
    int running = 0, worst = 0;  // number of applications; their highest exit code
    ServiceManager manager;
    std::chrono::microseconds watchdog{};  // interval of the service manager's watchdog; 0: none
    bool reloading = false, reload_again = false, is_kept_up = false, looking = false;
    std::uint64_t looks = 0;  // number of queries of the workers' counters
    Vitals vitals;
    std::optional<HealthServer> health;
    std::map<std::string, WorkerTotals> totals;  // by application

private:
    std::string without_prefix_;
    std::vector<std::string> arguments_;
    std::string file_;
    std::string first_levels_;  // used where the settings name none
    PidFile pid_file_;
    std::vector<OwnPath> own_paths_;
    std::optional<ListeningSocket> control_socket_;
    std::optional<TcpServer> control_server_;  // not the arbiter's: those close as a stop begins
    std::optional<ListeningSocket> metrics_socket_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/service.ipp>
#endif
