#pragma once
#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include <magnetar/app/detail/program.hpp>

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
    static const std::vector<SettingTable::Word> words{
        {"--help", "", "this text"},
        {"--version", "", "the version"},
        {"--print-config", "", "the settings and where each comes from, as a file that reads back"},
        {"--check-config", "", "whether the settings are right; exit code 2 if not"},
    };
    return words;
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
    std::unique_ptr<Configuration> configure(std::vector<SettingTable::Given>* words = nullptr) const {
        auto made = [&](bool defaults) {
            return std::make_unique<Configuration>(text.name, applications, without_prefix, defaults);
        };
        // Where the file is, only environment and command line tell.
        auto first = made(false);
        auto given = first->read(arguments_, {});
        auto all = made(false);
        all->table.mark_code(made(true)->table);
        all->read(arguments_, first->process.config);
        if (words) *words = std::move(given);
        return all;
    }
    std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (auto* app : applications) all.push_back(app->name());
        return all;
    }

    static Task<> begin(Arbiter<>& arbiter) {
        Program& self = *current();
        std::string trouble;
        for (auto* app : self.applications) {
            try {
                co_await app->begin(arbiter, app->publish(self.process, self.names()));
            } catch (const std::exception& error) {
                trouble = error.what();
            }
            if (!trouble.empty()) {
                fmt::print(stderr, "{}: {}\n", self.text.name, trouble);
                arbiter.stop(1);
                co_return;
            }
            ++self.running;
            arbiter.loop().start(watch_end(self, arbiter, *app), &arbiter).detach();
        }
        for (auto* app : self.applications)
            arbiter.loop().start(run_started(arbiter, *app), &arbiter).detach();
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
        if (trouble.empty()) co_return;
        arbiter.log().error("started of {}: {}", app.name(), trouble);
        arbiter.stop(1);
    }

    ProgramText text;
    std::vector<ApplicationBase*> applications;
    std::string without_prefix;
    ProcessSettings process;
    int running = 0, worst = 0;

private:
    std::vector<std::string> arguments_;
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
        program.process = configuration->process;
        for (std::size_t i = 0; i < applications.size(); ++i)
            applications[i]->config = std::move(configuration->applications[i]);
        if (program.process.engine != EngineChoice::automatic)
            ::setenv("MAGNETAR_ENGINE", program.process.engine == EngineChoice::epoll ? "epoll" : "io_uring",
                     1);
        Program::current() = &program;
        int code = 1;
        {
            ArbiterOptions<> options;
            options.start = [](Arbiter<>& self) -> Task<> { return Program::begin(self); };
            Arbiter<> arbiter(options);
            code = arbiter.run();
        }
        Program::current() = nullptr;
        return code;
    } catch (const SettingError& error) {
        fmt::print(stderr, "{}: {}\n", text.name, error.what());
        return 2;
    } catch (const std::logic_error& error) {
        fmt::print(stderr, "{}\n", error.what());
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
    auto names = known_applications();
    names.push_back(application.name());
    co_await application.begin(*here, application.publish({}, names));
    co_await application.started();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
