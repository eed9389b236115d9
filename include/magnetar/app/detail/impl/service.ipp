#pragma once
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <magnetar/actor/door/server.hpp>
#include <magnetar/actor/supervision/shutdown_order.hpp>
#include <magnetar/app/detail/control_commands.hpp>
#include <magnetar/app/detail/given_sockets.hpp>
#include <magnetar/app/detail/held_signals.hpp>
#include <magnetar/app/detail/operator.hpp>
#include <magnetar/app/detail/scrape.hpp>
#include <magnetar/app/detail/service.hpp>
#include <magnetar/app/detail/upkeep.hpp>
#include <magnetar/base/detail/standard_streams.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/loop/timer.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void open_sockets(ApplicationBase& app) {
    if (app.config->serves == Serves::nothing) return;
    for (auto& address : app.config->binding.bind) {
        if (app.config->serves == Serves::datagrams) {
            app.sockets->push_back(open_datagram_socket(address));
            continue;
        }
        const ServerSettings& serving = app.config->serving;
        if (serving.reuse_port && !address.starts_with("unix:")) {
            app.sockets->push_back(reserve_port(address));
            continue;
        }
        ListenOptions options;
        options.backlog = static_cast<int>(serving.backlog);
        app.sockets->push_back(open_listening_socket(address, options));
    }
}

MAGNETAR_DECL Service::~Service() {
    if (current() == this) current() = nullptr;
    for (auto* app : applications) close_sockets(app->sockets);
}
MAGNETAR_DECL std::unique_ptr<Configuration> Service::configure(std::vector<SettingTable::Given>* words) {
    auto made = [&](bool defaults) {
        return std::make_unique<Configuration>(text.name, applications, without_prefix_, defaults);
    };
    // Only the environment and the command line name the file.
    auto first = made(false);
    auto given = first->read(arguments_, {});
    if (file_.empty()) file_ = first->process.config;
    auto all = made(false);
    all->table.mark_code(made(true)->table);
    try {
        all->read(arguments_, file_);
        all->validate();
    } catch (const SettingError& error) {
        // An operator can reach a running program even if its configuration file is invalid by now.
        if (!is_for_operators(given)) throw;
        first->validate();
        fmt::print(stderr, "{}: {}: the configuration file is ignored\n", text.name, error.what());
        all = std::move(first);
    }
    if (words) *words = std::move(given);
    return all;
}
MAGNETAR_DECL void Service::prepare(std::unique_ptr<Configuration> configuration) {
    present = std::move(configuration);
    const ProcessSettings& process = present->process;
    open_missing_standard_streams();  // before the first socket
    for (std::size_t i = 0; i < applications.size(); ++i)
        applications[i]->config = std::make_unique<AppConfig>(*present->applications[i]);
    // Before the daemon forks: the service manager addresses these to this process id.
    auto given = take_given_sockets();
    watchdog = std::chrono::microseconds(watchdog_microseconds());
    if (process.daemon) become_daemon();
    if (!process.chdir.empty()) {
        // A reload reads the same path again, which may be a link to another file by then.
        if (!file_.empty() && file_[0] != '/')
            if (char* here = ::getcwd(nullptr, 0)) {
                file_ = fmt::format("{}/{}", here, file_);
                std::free(here);
            }
        if (::chdir(process.chdir.c_str()) != 0) throw_system_error(errno, "chdir", process.chdir);
    }
    if (!process.umask.empty()) ::umask(read_umask(process.umask));
    for (auto* app : applications) close_sockets(app->sockets);
    deal_out(std::move(given), applications);
    for (auto* app : applications) {
        if (app->config->serves == Serves::nothing || !app->sockets->empty()) continue;
        open_sockets(*app);
        for (auto& address : app->config->binding.bind)
            if (address.starts_with("unix:") && address[5] != '@') own_paths_.emplace_back(address.substr(5));
    }
    if (!process.metrics.empty()) {
        metrics_socket_.emplace(open_listening_socket(process.metrics, {}));
        metrics_address = metrics_socket_->address().to_string();
    }
    if (!process.pid_file.empty()) pid_file_ = PidFile(process.pid_file);
    become_user(process.user, process.group);
    first_levels_ = log_levels();
    configure_log(log_options());
    make_room_for_connections();
    control = control_path(process.control, text.name, ::geteuid());
    if (!control.empty()) {
        try {
            control_socket_.emplace(open_control_socket(control));
        } catch (const std::exception& error) {
            // Two programs of one name may run; only one has the default control socket.
            if (process.control != "auto") throw;
            Logger(text.name).warning("no control socket: {}", error.what());
            control.clear();
        }
    }
    if (process.engine != EngineChoice::automatic)
        ::setenv("MAGNETAR_ENGINE", process.engine == EngineChoice::epoll ? "epoll" : "io_uring", 1);
}

MAGNETAR_DECL void Service::make_room_for_connections() const {
    constexpr std::uint64_t others = 64;  // beside the connections
    std::uint64_t here = 0, in_worker = 0;
    for (auto& app : present->applications) {
        if (app->serves != Serves::connections) continue;
        std::uint64_t connections = app->serving.max_connections;
        if (app->workers.workers && app->workers.concurrency == Concurrency::process)
            in_worker = std::max(in_worker, connections);
        else here += connections * std::max(app->workers.workers, 1u);
    }
    std::uint64_t wanted = std::max(here, in_worker) + others;
    if (std::uint64_t limit = raise_descriptor_limit(wanted); limit < wanted && wanted > others)
        Logger(text.name).warning(
            "max_connections needs {} descriptors, and the limit is {} (ulimit -n, LimitNOFILE=): further connections wait",
            wanted, limit);
}
MAGNETAR_DECL void Service::end() {
    health.reset();
    control_server_.reset();
    manager.finish();
}
MAGNETAR_DECL std::vector<std::string> Service::names() const {
    std::vector<std::string> all;
    for (auto* app : applications) all.push_back(app->name());
    return all;
}
MAGNETAR_DECL LogOptions Service::log_options() const {
    LogOptions options = present_log_options();  // with the sink that main() may have set
    auto& levels = present->process.log_level;
    options.levels = levels.empty() ? first_levels_ : joined(levels, ",");
    options.format = present->process.log_format;
    options.file = present->process.log_file;
    return options;
}
MAGNETAR_DECL void Service::beat() {
    vitals.heartbeat_ns = monotonic_ns();
    bool all = state == "running" && running > 0;
    try {
        for (auto* app : applications) all = all && (!app->monitor || app->is_ready());
    } catch (const std::exception& error) {
        Logger(text.name).warning("is not ready: {}", error.what());
        all = false;
    }
    vitals.ready = all;
}

namespace services {

// The program stops when its last application has ended.
inline Task<> watch_end(Service& self, Arbiter<>& arbiter, ApplicationBase& app) {
    ExitStatus status = co_await app.ended();
    self.worst = std::max(self.worst, status.code());
    if (--self.running == 0) arbiter.stop(self.worst);
}
inline Task<> run_started(Arbiter<>& arbiter, ApplicationBase& app) {
    std::string trouble;
    try {
        co_await app.started();
    } catch (const std::exception& error) {
        trouble = error.what();
    }
    if (trouble.empty() || arbiter.life() >= Lifecycle::stopping) co_return;
    arbiter.log().error("started of {}: {}", app.name(), trouble);
    arbiter.stop(1);
}

}  // namespace services

MAGNETAR_DECL Task<> Service::begin(Arbiter<>& arbiter) {
    Service& self = *Service::current();
    HeldSignals::hand_over();
    core_of(arbiter).extras().before_end = &Service::shut_down;
    self.beat();
    if (self.metrics_socket_) self.health.emplace(*std::move(self.metrics_socket_), self.vitals, &scrape);
    keep_up(self, arbiter);
    if (self.control_socket_) {
        Listener listener(*self.control_socket_);
        self.control_socket_.reset();
        DoorServer door(control_door_settings(), &perform_for_operator);
        self.control_server_.emplace(door.server(DoorTrust::owner));
        co_await self.control_server_->start_serving(std::move(listener));
    }
    std::string trouble;
    for (auto* app : self.applications) {
        try {
            co_await app->begin(arbiter, self.publish(*app));
        } catch (const std::exception& error) {
            trouble = error.what();
        }
        if (arbiter.life() >= Lifecycle::stopping) co_return;  // a stop has begun meanwhile
        if (!trouble.empty()) {
            fmt::print(stderr, "{}: {}\n", self.text.name, trouble);
            arbiter.stop(1);
            co_return;
        }
        ++self.running;
        core_of(arbiter).start_job(services::watch_end(self, arbiter, *app)).detach();
    }
    self.state = "running";
    self.ready.set();
    self.beat();
    daemon_ready();
    self.manager.tell(fmt::format("READY=1\nSTATUS=running\nMAINPID={}", ::getpid()));
    Logger(self.text.name).info("runs: {}", joined(self.names(), ", "));
    for (auto* app : self.applications)
        core_of(arbiter).start_job(services::run_started(arbiter, *app)).detach();
}
MAGNETAR_DECL Task<> Service::drain(Actor<>&) {
    Service& self = *Service::current();
    Logger log(self.text.name);
    self.state = "draining";
    self.beat();
    self.manager.tell("STOPPING=1\nSTATUS=stopping");
    auto delay = self.present->process.drain_delay;
    if (delay > std::chrono::nanoseconds::zero()) {
        log.info("draining: accepts connections for another {}",
                 write_duration(delay.count(), 1, 1'000'000'000));
        co_await sleep(delay);
    }
    self.state = "stopping";
    log.info("stops");
    // From here on only the workers hold the sockets: new connections are refused once they close them.
    for (auto* app : self.applications) close_sockets(app->sockets);
}
MAGNETAR_DECL Task<> Service::shut_down(Actor<>& arbiter) {
    co_await shut_down_in_order(arbiter);
    // Operators are answered until here, also a repeated stop.
    Service& self = *Service::current();
    if (self.control_server_) co_await self.control_server_->close(std::chrono::seconds(1));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
