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

// Opens what the application is to listen on, as its config says.
void open_sockets(ApplicationBase& application);

// A program that runs its applications below an arbiter. One at a time in a process; all of it on the
// arbiter's loop, when that runs.
class Service {
public:
    Service(ProgramText t, std::vector<ApplicationBase*> a, std::string w, std::vector<std::string> arguments)
        : text(std::move(t)),
          applications(std::move(a)),
          without_prefix_(std::move(w)),
          arguments_(std::move(arguments)) {}
    Service(const Service&) = delete;
    // Closes what its applications listen on.
    ~Service();

    static Service*& current() noexcept {
        static Service* program = nullptr;
        return program;
    }

    // Reads the settings from all sources; gives the words beside them. Throws SettingError.
    std::unique_ptr<Configuration> configure(std::vector<SettingTable::Given>* words = nullptr);
    // What comes before the arbiter: daemon, sockets, user, log. Throws what is wrong.
    void prepare(std::unique_ptr<Configuration> configuration);
    // The arbiter's start hook: makes the monitors with their workers.
    static Task<> begin(Arbiter<>& arbiter);
    // Its stopping hook: a load balancer that asks whether this is ready learns first that it is not.
    static Task<> drain(Actor<>& arbiter);
    // What comes behind it: the end of all workers, then of the control socket.
    static Task<> shut_down(Actor<>& arbiter);
    // When the arbiter has ended, and is still there: the health server's thread would ask one that is gone.
    void end();
    // Tells that thread that the loop turns, and whether all is ready.
    void beat();

    std::vector<std::string> names() const;
    LogOptions log_options() const;
    // Gives the workers that are made from now on the application's present settings.
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
    int running = 0, worst = 0;  // applications; their exit codes
    ServiceManager manager;
    std::chrono::microseconds watchdog{};  // how often the service manager wants to hear of it; 0: never
    bool reloading = false, reload_again = false, is_kept_up = false, looking = false;
    std::uint64_t looks = 0;  // times that workers were asked what they have counted
    Vitals vitals;
    std::optional<HealthServer> health;
    std::map<std::string, WorkerTotals> totals;  // by application

private:
    std::string without_prefix_;
    std::vector<std::string> arguments_;
    std::string file_;
    std::string first_levels_;  // that count where the settings name none
    PidFile pid_file_;
    std::vector<OwnPath> own_paths_;
    std::optional<ListeningSocket> control_socket_;
    std::optional<TcpServer> control_server_;  // not among the arbiter's own, which close as a stop begins
    std::optional<ListeningSocket> metrics_socket_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/service.ipp>
#endif
