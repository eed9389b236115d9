#pragma once
#include <fmt/core.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <stdexcept>

#include <magnetar/app/detail/control.hpp>
#include <magnetar/app/detail/metrics.hpp>
#include <magnetar/app/detail/operator.hpp>
#include <magnetar/app/detail/process.hpp>
#include <magnetar/app/detail/program.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::string wrong_name(std::string_view name) {
    if (name.empty()) return "an application needs a name: {.name = \"...\"}";
    for (char c : name)
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
              c == '-'))
            return fmt::format("'{}' is no name for an application: letters, digits, - and _ make one", name);
    return {};
}

MAGNETAR_DECL std::shared_ptr<const Share> ApplicationBase::publish(
    const ProcessSettings& process, const std::vector<std::string>& applications) {
    auto share = std::make_shared<Share>();
    share->application = name_;
    auto before = newest_share(name_);
    share->generation = before ? before->generation + 1 : 1;
    share->config = std::make_shared<AppConfig>(*config);
    share->sockets = sockets;
    share->hooks = hooks();
    share->monitor = monitor;
    share->applications = applications;
    share->log_level = process.log_level;
    share->log_format = process.log_format;
    share->log_file = process.log_file;
    publish_share(share);
    return share;
}
MAGNETAR_DECL void ApplicationBase::stop_monitor() {
    if (monitor) post_tell<stop_command>(monitor.address());
}

MAGNETAR_DECL Actor<>* ApplicationBase::monitor_actor() const {
    Arbiter<>* root = arbiter();
    Actor<>* found = nullptr;
    if (root && monitor)
        core_of(*root).for_each_child([&](Actor<>& child) {
            if (child.id() == monitor.id() && child.is_running()) found = &child;
        });
    return found;
}

MAGNETAR_DECL Configuration::Configuration(const std::string& program,
                                           const std::vector<ApplicationBase*>& apps,
                                           const std::string& without_prefix, bool defaults_only)
    : table(program) {
    for (ApplicationBase* app : apps) {
        applications.push_back(defaults_only ? app->default_config() : app->code_config());
        bool prefixed = apps.size() > 1 && app->name() != without_prefix;
        applications.back()->add_to(table, prefixed ? app->name() : std::string());
    }
    table.add(process, "Program");
    table.find("config")->hidden = true;
}
namespace program_words {

inline const std::vector<SettingTable::Word>& all() {
    static const std::vector<SettingTable::Word> words = [] {
        std::vector<SettingTable::Word> list{
            {"--help", "", "this text"},
            {"--version", "", "the version"},
            {"--print-config", "", "the settings and where each comes from, as a file that reads back"},
            {"--check-config", "", "whether the settings are right; exit code 2 if not"},
        };
        for (auto& word : operator_words()) list.push_back(word);
        return list;
    }();
    return words;
}
inline std::string join(const std::vector<std::string>& parts, std::string_view between) {
    std::string all;
    for (auto& part : parts) all += (all.empty() ? std::string() : std::string(between)) + part;
    return all;
}

}  // namespace program_words

MAGNETAR_DECL std::vector<SettingTable::Given> Configuration::read(const std::vector<std::string>& arguments,
                                                                   const std::string& file) {
    if (!file.empty()) table.read_file(file);
    table.read_environment();
    auto given = table.read_command_line(arguments, program_words::all());
    for (std::size_t i = 0, at = 0; i < applications.size(); ++i) {
        auto& app = *applications[i];
        SettingTable own("");
        app.add_to(own, {});
        app.origins.clear();
        for (std::size_t n = 0; n < own.settings().size(); ++n)
            app.origins.push_back(table.settings()[at++].origin);
    }
    return given;
}

// In a worker.
inline void set_log_levels(Actor<>&, std::string levels) {
    LogOptions options = present_log_options();
    options.levels = std::move(levels);
    configure_log(options);
}

MAGNETAR_DECL bool Configuration::is_live(std::string_view name) const {
    for (auto& setting : table.settings()) {
        if (setting.name != name) continue;
        if (setting.group == "Settings") return true;
        std::string key = setting.key();
        for (auto live :
             {"workers", "log_level", "log_format", "log_file", "max_connections", "keep_alive",
              "max_requests", "max_requests_jitter", "max_lifetime", "max_memory", "drain_delay", "watch"})
            if (key == live) return true;
    }
    return false;
}
MAGNETAR_DECL void Configuration::validate() {
    auto wrong = [this](const void* field, const std::string& why) {
        for (auto& setting : table.settings()) {
            if (setting.field != field) continue;
            std::string value = program_words::join(setting.ops->write(field), ", ");
            bool option = setting.origin.starts_with("--");
            table.fail(option ? fmt::format("{} {}", setting.option(), value)
                              : fmt::format("{}: {} = {}", setting.origin, setting.name, value),
                       why);
        }
    };
    auto checked = [&wrong](const void* field, auto&& check) {
        try {
            check();
        } catch (const std::invalid_argument& error) {
            wrong(field, error.what());
        }
    };
    checked(&process.log_level, [this] { check_log_levels(program_words::join(process.log_level, ",")); });
    if (!process.umask.empty()) checked(&process.umask, [this] { read_umask(process.umask); });
    for (auto& app : applications) {
        WorkerSettings& workers = app->workers;
        if (workers.timeout <= std::chrono::nanoseconds::zero())
            wrong(&workers.timeout, "must be more than 0s");
        if (workers.exit_timeout < std::chrono::nanoseconds::zero())
            wrong(&workers.exit_timeout, "must not be negative");
        if (workers.period < std::chrono::nanoseconds::zero()) wrong(&workers.period, "must not be negative");
        if (workers.threads == 0) wrong(&workers.threads, "must be at least 1");
        if (workers.mailbox == 0) wrong(&workers.mailbox, "must be at least 1");
        if (app->serves == Serves::nothing) continue;
        if (app->binding.bind.empty()) wrong(&app->binding.bind, "must be an address at least");
        for (auto& address : app->binding.bind)
            checked(&app->binding.bind, [&address] {
                if (!address.starts_with("unix:")) split_host_port(address);
                else SocketAddress::unix_socket(address.substr(5));
            });
        if (app->serving.keep_alive.count() < 0) wrong(&app->serving.keep_alive, "must not be negative");
    }
}

// Opens what it is to listen on.
inline void open_sockets(ApplicationBase& app) {
    if (app.config->serves == Serves::nothing) return;
    for (auto& address : app.config->binding.bind) {
        if (app.config->serves == Serves::datagrams) {
            app.sockets.push_back(open_datagram_socket(address));
            continue;
        }
        ListenOptions options;
        options.backlog = static_cast<int>(app.config->serving.backlog);
        app.sockets.push_back(open_listening_socket(address, options));
    }
}

// A program that runs.
class Program {
public:
    Program(ProgramText t, std::vector<ApplicationBase*> a, std::string w, std::vector<std::string> arguments)
        : text(std::move(t)),
          applications(std::move(a)),
          without_prefix(std::move(w)),
          arguments_(std::move(arguments)) {}

    static Program*& current() noexcept {
        static Program* program = nullptr;
        return program;
    }

    // Reads the settings from all sources. Throws SettingError.
    std::unique_ptr<Configuration> configure(std::vector<SettingTable::Given>* words = nullptr) {
        auto made = [&](bool defaults) {
            return std::make_unique<Configuration>(text.name, applications, without_prefix, defaults);
        };
        // Where the file is, only environment and command line tell; and it is the same one after a change of
        // folder.
        auto first = made(false);
        auto given = first->read(arguments_, {});
        if (file_.empty() && !first->process.config.empty()) {
            file_ = first->process.config;
            if (!first->process.chdir.empty())
                if (char* full = ::realpath(file_.c_str(), nullptr)) {
                    file_ = full;
                    std::free(full);
                }
        }
        auto all = made(false);
        all->table.mark_code(made(true)->table);
        all->read(arguments_, file_);
        all->validate();
        if (words) *words = std::move(given);
        return all;
    }
    std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (auto* app : applications) all.push_back(app->name());
        return all;
    }
    // What comes before the arbiter. Throws what is wrong.
    void prepare(std::unique_ptr<Configuration> configuration) {
        present = std::move(configuration);
        const ProcessSettings& process = present->process;
        for (std::size_t i = 0; i < applications.size(); ++i)
            applications[i]->config = std::make_unique<AppConfig>(*present->applications[i]);
        if (process.daemon) become_daemon();
        if (!process.chdir.empty() && ::chdir(process.chdir.c_str()) != 0)
            throw_system_error(errno, "chdir", process.chdir);
        if (!process.umask.empty()) ::umask(read_umask(process.umask));
        auto given = take_listen_fds();
        for (auto* app : applications) {
            if (app->config->serves == Serves::nothing) continue;
            app->sockets = std::move(given);  // the first server's
            given.clear();
            if (!app->sockets.empty()) continue;
            open_sockets(*app);
            for (auto& address : app->config->binding.bind)
                if (address.starts_with("unix:") && address[5] != '@')
                    own_paths_.emplace_back(address.substr(5));
        }
        if (!process.metrics.empty()) {
            metrics_socket_.emplace(open_listening_socket(process.metrics, {}));
            metrics_address = metrics_socket_->address().to_string();
        }
        if (!process.pid_file.empty()) pid_file_ = PidFile(process.pid_file);
        become_user(process.user, process.group);
        configure_log(log_options());
        control = control_path(process.control, text.name);
        if (!control.empty()) {
            try {
                control_socket_ = open_control_socket(control);
                own_paths_.emplace_back(control);
            } catch (const std::exception& error) {
                // Two programs of one name may run; only one is where operators look first.
                if (process.control != "auto") throw;
                Logger(text.name).info("no control socket: {}", error.what());
                control.clear();
            }
        }
        if (process.engine != EngineChoice::automatic)
            ::setenv("MAGNETAR_ENGINE", process.engine == EngineChoice::epoll ? "epoll" : "io_uring", 1);
    }

    static Task<> begin(Arbiter<>& arbiter) {
        Program& self = *current();
        self.beat();
        if (self.metrics_socket_)
            self.health_.emplace(*std::move(self.metrics_socket_), self.vitals_, &scrape);
        self.tick_if_needed(arbiter);
        if (self.control_socket_) co_await serve_control(arbiter, std::move(self.control_socket_), &answer);
        std::string trouble;
        for (auto* app : self.applications) {
            try {
                co_await app->begin(arbiter, self.publish(*app));
            } catch (const std::exception& error) {
                trouble = error.what();
            }
            if (arbiter.life() >= Lifecycle::stopping) co_return;  // it was told to stop meanwhile
            if (!trouble.empty()) {
                fmt::print(stderr, "{}: {}\n", self.text.name, trouble);
                arbiter.stop(1);
                co_return;
            }
            ++self.running;
            core_of(arbiter).start_job(watch_end(self, arbiter, *app)).detach();
        }
        self.state = "running";
        self.ready.set();
        self.beat();
        daemon_ready();
        notify_service_manager(fmt::format("READY=1\nSTATUS=running\nMAINPID={}", ::getpid()));
        Logger(self.text.name).info("runs: {}", program_words::join(self.names(), ", "));
        for (auto* app : self.applications) core_of(arbiter).start_job(run_started(arbiter, *app)).detach();
    }
    // When the last application has ended there is nothing left to do.
    static Task<> watch_end(Program& self, Arbiter<>& arbiter, ApplicationBase& app) {
        ActorProxy<> monitor = app.monitor;
        ExitStatus status = co_await monitor.closed();
        forget_application(app.name());
        app.monitor = {};
        self.worst = std::max(self.worst, status.code());
        if (--self.running == 0) arbiter.stop(self.worst);
    }
    static Task<> run_started(Arbiter<>& arbiter, ApplicationBase& app) {
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

    // A load balancer that asks whether this is ready learns first that it is not.
    static Task<> drain(Actor<>& arbiter) {
        Program& self = *current();
        self.state = "draining";
        self.beat();
        notify_service_manager("STOPPING=1\nSTATUS=stopping");
        auto delay = self.present->process.drain_delay;
        if (delay <= std::chrono::nanoseconds::zero()) co_return;
        arbiter.log().info("accepts for another {}", write_duration(delay.count(), 1, 1'000'000'000));
        co_await sleep(delay);
    }
    // The thread that it has would ask an arbiter that is gone.
    void end_health() { health_.reset(); }

    // ---- what is looked at from time to time

    bool needs_ticks() const {
        bool limits = health_ || !present->process.watch.empty() || watchdog_microseconds() > 0;
        for (auto* app : applications) limits = limits || has_limits(*app);
        return limits;
    }
    void tick_if_needed(Actor<>& arbiter) {
        if (!ticking_ && needs_ticks()) {
            ticking_ = true;
            core_of(arbiter).start_job(tick(*this, arbiter)).detach();
        }
    }
    static Task<> tick(Program& self, Actor<>& arbiter) {
        auto watchdog = std::chrono::microseconds(watchdog_microseconds() / 2);
        auto period = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::milliseconds(500));
        if (watchdog.count() > 0) period = std::min(period, watchdog);
        std::string files = self.watched_files();
        LoopClock::time_point looked = arbiter.loop().now();
        for (;;) {
            co_await sleep(period);
            if (arbiter.life() >= Lifecycle::stopping) co_return;
            self.beat();
            if (watchdog.count() > 0) notify_service_manager("WATCHDOG=1");
            if (!self.ready.is_set()) continue;
            if (auto now = self.watched_files(); now != files) {
                files = std::move(now);
                core_of(arbiter).start_job(reload_and_log(arbiter)).detach();
            }
            bool watches_workers = self.health_.has_value();
            for (auto* app : self.applications) watches_workers = watches_workers || has_limits(*app);
            if (!watches_workers || arbiter.loop().now() - looked < std::chrono::seconds(1)) continue;
            co_await self.look_at_workers();
            looked = arbiter.loop().now();
        }
    }
    static bool has_limits(const ApplicationBase& app) {
        auto& workers = app.config->workers;
        return app.config->serving.max_requests || workers.max_memory.bytes ||
               workers.max_lifetime.count() > 0;
    }
    // When each was changed last.
    std::string watched_files() const {
        std::string all;
        for (auto& path : present->process.watch) {
            struct stat found{};
            bool there = ::stat(path.c_str(), &found) == 0;
            all += fmt::format("{} {} {};", there ? found.st_ino : 0, there ? found.st_mtim.tv_sec : 0,
                               there ? found.st_mtim.tv_nsec : 0);
        }
        return all;
    }
    void beat() {
        vitals_.heartbeat_ns = monotonic_ns();
        bool all = state == "running" && running > 0;
        for (auto* app : applications)
            all =
                all && (!app->monitor || app->workers().size() >= std::max(app->config->workers.workers, 1u));
        vitals_.ready = all;
    }
    // Takes what they have counted, and has those that are over a limit replaced: of each application one at
    // a time.
    Task<> look_at_workers() {
        for (auto* app : applications) {
            if (!app->monitor) continue;
            auto present_workers = app->workers();
            std::vector<Task<Json>> asking;
            for (auto& worker : present_workers) asking.push_back(info_of(worker));
            auto answers = co_await when_all(std::move(asking));
            totals_[app->name()].update(answers);
            if (!has_limits(*app) || reloading_) continue;
            for (std::size_t i = 0; i < answers.size(); ++i) {
                std::string why = over_limit(*app->config, answers[i], present_workers[i].id());
                if (why.empty()) continue;
                Logger(app->name()).info("{} is replaced: {}", present_workers[i].to_string(), why);
                std::string trouble;
                try {
                    co_await app->replace(present_workers[i]);
                } catch (const std::exception& error) {
                    trouble = error.what();
                }
                if (!trouble.empty())
                    Logger(app->name())
                        .error("{} is not replaced: {}", present_workers[i].to_string(), trouble);
                break;
            }
        }
    }
    static std::string over_limit(const AppConfig& config, const Json& worker, ActorId id) {
        const ServerSettings& settings = config.serving;
        const WorkerSettings& workers = config.workers;
        auto number = [](const Json* json, std::string_view key) {
            const Json* found = json ? json->find(key) : nullptr;
            return found && found->is_number() ? found->get<double>() : 0.0;
        };
        if (settings.max_requests) {
            double accepted = 0;
            if (const Json* servers = worker.find("servers"))
                for (auto& [name, server] : servers->members()) accepted += number(&server, "accepted");
            // From 100 - jitter to 100 + jitter percent, the same for one worker all its life.
            auto chance = static_cast<double>((id.value * 0x9e3779b97f4a7c15ull) >> 32) / 4294967296.0;
            double limit = static_cast<double>(settings.max_requests) *
                           (1 + (2 * chance - 1) * settings.max_requests_jitter / 100.0);
            if (accepted >= limit) return fmt::format("it has accepted {} connections", accepted);
        }
        double age = number(worker.find("actor"), "age_seconds");
        if (workers.max_lifetime.count() > 0 &&
            age >= std::chrono::duration<double>(workers.max_lifetime).count())
            return fmt::format("it is {:.0f} s old", age);
        const Json* actor = worker.find("actor");
        const Json* process = actor ? actor->find("is_process") : nullptr;
        double memory = number(worker.find("process"), "memory_bytes");
        if (workers.max_memory.bytes && process && process->is_boolean() && process->get<bool>() &&
            memory >= static_cast<double>(workers.max_memory.bytes))
            return fmt::format("it has {:.1f} MiB of memory", memory / 1048576);
        return {};
    }

    // What the arbiter's loop makes for the thread that waits for it.
    struct Scrape final : Runnable {
        Scrape() : Runnable(&Scrape::arrive) {}
        static void arrive(Runnable& self) {
            auto& order = static_cast<Scrape&>(self);
            std::shared_ptr<Scrape> kept = std::exchange(order.me, nullptr);
            if (Arbiter<>* root = arbiter(); root && current())
                core_of(*root).start_job(carry_out(kept, *root)).detach();
        }
        static Task<> carry_out(std::shared_ptr<Scrape> order, Actor<>& root) {
            Program& program = *current();
            Json info = co_await program.info(root);
            for (auto& application : info.at("applications").items())
                if (const Json* workers = application.find("workers")) {
                    auto list = workers->items();
                    program.totals_[application.at("name").string()].update({list.begin(), list.end()});
                }
            std::string text = metrics_text(info, program.totals_);
            std::lock_guard lock(order->mutex);
            order->text = std::move(text);
            order->done = true;
            order->changed.notify_all();
        }
        std::shared_ptr<Scrape> me;
        std::mutex mutex;
        std::condition_variable changed;
        std::string text;
        bool done = false;
    };
    // On the thread of the health server.
    static std::string scrape() {
        auto order = std::make_shared<Scrape>();
        order->me = order;
        if (!current()->loop->handle().post(*order)) {
            order->me.reset();
            return {};
        }
        std::unique_lock lock(order->mutex);
        order->changed.wait_for(lock, std::chrono::seconds(2), [&] { return order->done; });
        return order->done ? order->text : std::string();
    }

    // ---- reload

    static void on_hangup(Actor<>& arbiter) { core_of(arbiter).start_job(reload_and_log(arbiter)).detach(); }
    static Task<> reload_and_log(Actor<>& arbiter) {
        std::string trouble;
        try {
            co_await current()->reload(arbiter);
        } catch (const std::exception& error) {
            trouble = error.what();
        }
        if (!trouble.empty()) Logger(current()->text.name).error("reload: {}", trouble);
    }
    // Reads the settings anew, and replaces the workers; says what it has done. What is wrong is found before
    // anything has changed; when a new worker does not start, what was stays.
    Task<std::vector<std::string>> reload(Actor<>& arbiter) {
        if (reloading_) throw std::runtime_error("a reload is under way");
        struct Reloading {
            explicit Reloading(bool& f) noexcept : flag(f) { flag = true; }
            Reloading(const Reloading&) = delete;
            ~Reloading() { flag = false; }
            bool& flag;
        } reloading(reloading_);
        co_await ready.wait();
        auto next = configure();
        timespec now{};
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        notify_service_manager(fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                                           std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000));
        std::vector<std::string> said;
        for (auto& name : next->table.differences(present->table)) {
            Setting& setting = *next->table.find(name);
            std::string value = program_words::join(setting.ops->write(setting.field), ", ");
            said.push_back(next->is_live(name)
                               ? fmt::format("{} is now {} ({})", name, value, setting.origin)
                               : fmt::format("{}: {} ({}) needs a restart", name, value, setting.origin));
        }
        std::unique_ptr<Configuration> before = std::exchange(present, std::move(next));
        std::exception_ptr failure;
        try {
            configure_log(log_options());
            for (std::size_t i = 0; i < applications.size(); ++i) {
                ApplicationBase& app = *applications[i];
                if (!app.monitor) continue;
                auto fresh = std::make_unique<AppConfig>(*present->applications[i]);
                fresh->binding = app.config->binding;
                fresh->serving.backlog = app.config->serving.backlog;
                auto wanted = fresh->workers.workers;
                auto lifetime = fresh->workers.max_lifetime;
                auto memory = fresh->workers.max_memory;
                fresh->workers = app.config->workers;
                fresh->workers.max_lifetime = lifetime;
                fresh->workers.max_memory = memory;
                auto old = std::exchange(app.config, std::move(fresh));
                try {
                    publish(app);
                    co_await app.reload();
                    if (wanted != before->applications[i]->workers.workers && wanted > 0) {
                        co_await app.scale(wanted);
                        app.config->workers.workers = wanted;
                    }
                } catch (const std::exception& error) {
                    failure = std::make_exception_ptr(std::runtime_error(
                        fmt::format("{}: {}; the workers that ran go on", app.name(), error.what())));
                    app.config = std::move(old);
                    publish(app);
                }
                if (failure) break;
                said.push_back(fmt::format("{}: {} workers replaced", app.name(), app.workers().size()));
            }
        } catch (const std::exception&) {
            failure = std::current_exception();
        }
        notify_service_manager("READY=1");
        if (failure) {
            present = std::move(before);
            std::rethrow_exception(failure);
        }
        tick_if_needed(arbiter);
        Logger log(text.name);
        for (auto& line : said) log.info("reload: {}", line);
        co_return said;
    }

    // ---- operators

    static Task<Json> answer(Actor<>& arbiter, std::string command, Json args) {
        Program& self = *current();
        if (command == "info") co_return co_await self.info(arbiter);
        if (command == "stop") {
            Json answer = Json::object();
            answer["process"] = ::getpid();
            Logger(self.text.name).info("is told to stop");
            arbiter.stop();
            co_return answer;
        }
        if (command == "reload") {
            Json said = Json::array();
            for (auto& line : co_await self.reload(arbiter)) said.push_back(Json(line));
            co_return said;
        }
        if (command == "scale") {
            co_await self.ready.wait();
            auto workers = args.at(0).get<std::uint32_t>();
            ApplicationBase& app = self.application(args.size() > 1 ? args.at(1).string() : std::string());
            if (workers == 0)
                throw std::invalid_argument("scale: at least 1 worker; stop the program to have none");
            co_await app.scale(workers);
            app.config->workers.workers = workers;
            co_return Json(workers);
        }
        if (command == "log_level") {
            std::string levels = args.at(0).string();
            check_log_levels(levels);
            self.present->process.log_level = {levels};
            configure_log(self.log_options());
            for (auto* app : self.applications) {
                self.publish(*app);
                for (auto& worker : app->workers())
                    if (worker.address().where.host() != this_node)
                        co_await magnetar::send(worker, run<set_log_levels>, levels);
            }
            co_return Json(log_levels());
        }
        if (command == "config") co_return Json(self.present->table.print());
        throw std::invalid_argument(fmt::format(
            "unknown command '{}': info, stop, reload, scale, log_level and config are known", command));
    }

    ProgramText text;
    std::vector<ApplicationBase*> applications;
    std::string without_prefix, control, metrics_address;
    std::unique_ptr<Configuration> present;
    Event ready;
    EventLoop* loop = nullptr;
    std::string_view state = "starting";
    int running = 0, worst = 0;

private:
    std::shared_ptr<const Share> publish(ApplicationBase& app) {
        return app.publish(present->process, names());
    }
    LogOptions log_options() const {
        LogOptions options;
        options.levels = program_words::join(present->process.log_level, ",");
        options.format = present->process.log_format;
        options.file = present->process.log_file;
        return options;
    }
    ApplicationBase& application(const std::string& name) {
        for (auto* app : applications)
            if (app->name() == name || (name.empty() && applications.size() == 1)) return *app;
        throw std::invalid_argument(
            fmt::format("scale: which of the applications {}?", program_words::join(names(), ", ")));
    }
    static Task<Json> info_of(ActorProxy<> actor) {
        Json answer = Json::object();
        std::string trouble;
        try {
            Task<Json> asking = actor.info();
            answer = co_await with_timeout(std::chrono::seconds(1), std::move(asking));
        } catch (const std::exception& error) {
            trouble = error.what();
        }
        if (!trouble.empty()) {
            answer["actor"] = Json{{"name", actor.name()}, {"id", actor.id().to_string()}};
            answer["error"] = trouble;
        }
        co_return answer;
    }
    Task<Json> info(Actor<>& arbiter) {
        Json all = Json::object();
        Json& program = all["program"] = Json::object();
        program["name"] = text.name;
        program["version"] = text.version;
        program["state"] = std::string(arbiter.life() >= Lifecycle::stopping ? "stopping" : state);
        program["control"] = control;
        beat();
        program["log_levels"] = log_levels();
        program["ready"] = vitals_.ready.load();
        if (health_) program["metrics"] = metrics_address;
        all["arbiter"] = co_await info_of(arbiter.proxy());
        all["arbiter"]["actor"]["name"] = "arbiter";
        Json list = Json::array();
        for (auto* app : applications) {
            Json about = Json::object();
            about["name"] = app->name();
            about["wanted"] = std::max(app->config->workers.workers, 1u);
            Json listens = Json::array();
            for (auto& socket : app->sockets) listens.push_back(Json(socket.address().to_string()));
            if (app->config->serves != Serves::nothing) about["listens"] = std::move(listens);
            if (app->monitor) {
                about["monitor"] = co_await info_of(app->monitor);
                std::vector<Task<Json>> asking;
                for (auto& worker : app->workers()) asking.push_back(info_of(worker));
                Json workers = Json::array();
                for (auto& worker : co_await when_all(std::move(asking)))
                    workers.push_back(std::move(worker));
                about["workers"] = std::move(workers);
            }
            list.push_back(std::move(about));
        }
        all["applications"] = std::move(list);
        co_return all;
    }

    std::vector<std::string> arguments_;
    std::string file_;
    PidFile pid_file_;
    std::vector<OwnPath> own_paths_;
    UniqueFd control_socket_;
    std::optional<ListeningSocket> metrics_socket_;
    Vitals vitals_;
    std::optional<HealthServer> health_;
    std::map<std::string, WorkerTotals> totals_;
    bool reloading_ = false, ticking_ = false;
};

MAGNETAR_DECL int run_program(const ProgramText& text, const std::vector<ApplicationBase*>& applications,
                              const std::string& without_prefix, int argc, char** argv) {
    std::vector<std::string> arguments;
    for (int i = 1; i < argc; ++i) arguments.emplace_back(argv[i]);
    try {
        for (std::size_t i = 0; i < applications.size(); ++i) {
            if (auto wrong = wrong_name(applications[i]->name()); !wrong.empty()) throw SettingError(wrong);
            for (std::size_t j = 0; j < i; ++j)
                if (applications[i]->name() == applications[j]->name())
                    throw SettingError(
                        fmt::format("there are two applications of the name '{}'", applications[i]->name()));
        }
        Program program(text, applications, without_prefix, arguments);
        auto given_word = [&arguments](std::string_view word) {
            for (auto& argument : arguments)
                if (argument == word) return true;
            return false;
        };
        if (given_word("--help")) {
            Configuration code(text.name, applications, without_prefix, false);
            fmt::print("{}", code.table.help(text.description, program_words::all()));
            return 0;
        }
        if (given_word("--version")) {
            fmt::print("{} {}\n", text.name, text.version.empty() ? "unversioned" : text.version);
            return 0;
        }
        std::vector<SettingTable::Given> words;
        auto configuration = program.configure(&words);
        for (auto& word : words) {
            if (word.name == "--print-config") fmt::print("{}", configuration->table.print());
            if (word.name == "--print-config" || word.name == "--check-config") return 0;
        }
        if (is_for_operators(words))
            return run_operator(text.name, control_path(configuration->process.control, text.name), words);
        program.prepare(std::move(configuration));
        Program::current() = &program;
        int code = 1;
        {
            ArbiterOptions<> options;
            options.start = [](Arbiter<>& self) -> Task<> { return Program::begin(self); };
            options.stopping = [](Arbiter<>& self) -> Task<> { return Program::drain(self); };
            options.exit_timeout += program.present->process.drain_delay;
            std::optional<HiddenStandardError> hidden(std::in_place);  // the fork server would keep it
            Arbiter<> arbiter(options);
            hidden.reset();
            program.loop = &arbiter.loop();
            on_hangup = &Program::on_hangup;
            code = arbiter.run();
            on_hangup = nullptr;
            program.end_health();
        }
        for (auto* app : applications) app->sockets.clear();
        Program::current() = nullptr;
        return code;
    } catch (const SettingError& error) {
        fmt::print(stderr, "{}: {}\n", text.name, error.what());
        return 2;
    } catch (const std::logic_error& error) {
        Program::current() = nullptr;
        fmt::print(stderr, "{}: {}\n", text.name, error.what());
        return 2;
    } catch (const std::exception& error) {
        Program::current() = nullptr;
        fmt::print(stderr, "{}: {}\n", text.name, error.what());
        return 1;
    }
}

MAGNETAR_DECL Task<> begin_application(ApplicationBase& application) {
    Arbiter<>* here = arbiter();
    if (!here)
        throw std::logic_error(
            "an application is started in main, or on the loop of an Arbiter<>: await start() in its start hook");
    if (auto wrong = wrong_name(application.name()); !wrong.empty()) throw std::invalid_argument(wrong);
    application.config = application.code_config();
    application.sockets.clear();
    open_sockets(application);
    auto names = known_applications();
    names.push_back(application.name());
    ProcessSettings process;
    auto share = application.publish(process, names);
    co_await application.begin(*here, std::move(share));
    co_await application.started();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
