#pragma once
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <stdexcept>

#include <magnetar/app/detail/control.hpp>
#include <magnetar/app/detail/held_signals.hpp>
#include <magnetar/app/detail/operator.hpp>
#include <magnetar/app/detail/process.hpp>
#include <magnetar/app/detail/program.hpp>
#include <magnetar/app/detail/reload.hpp>
#include <magnetar/app/detail/service.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL int run_program(const ProgramText& text, const std::vector<ApplicationBase*>& applications,
                              const std::string& without_prefix, int argc, char** argv) {
    HeldSignals held;
    std::vector<std::string> arguments;
    for (int i = 1; i < argc; ++i) arguments.emplace_back(argv[i]);
    try {
        for (std::size_t i = 0; i < applications.size(); ++i) {
            if (auto wrong = wrong_name(applications[i]->name()); !wrong.empty()) throw SettingError(wrong);
            for (std::size_t j = 0; j < i; ++j)
                if (applications[i]->name() == applications[j]->name())
                    throw SettingError(fmt::format("there are two applications with the name '{}'",
                                                   applications[i]->name()));
        }
        Service program(text, applications, without_prefix, arguments);
        auto given_word = [&arguments](std::string_view word) {
            for (auto& argument : arguments)
                if (argument == word) return true;
            return false;
        };
        if (given_word("--help")) {
            Configuration code(text.name, applications, without_prefix, false);
            fmt::print("{}", code.table.help(text.description, program_words()));
            flush_output();
            return 0;
        }
        if (given_word("--version")) {
            fmt::print("{} {}\n", text.name, text.version.empty() ? "unversioned" : text.version);
            flush_output();
            return 0;
        }
        std::vector<SettingTable::Given> words;
        auto configuration = program.configure(&words);
        if (!words.empty()) HeldSignals::give_back();
        for (auto& word : words) {
            if (word.name == "--print-config") fmt::print("{}", configuration->table.print());
            if (word.name == "--print-config" || word.name == "--check-config") {
                flush_output();
                return 0;
            }
        }
        if (is_for_operators(words)) {
            auto& process = configuration->process;
            uid_t user = find_user(process.user).id.value_or(::geteuid());
            std::string control = control_path(process.control, text.name, user);
            if (!control.empty() && control[0] != '/' && control[0] != '@' && !process.chdir.empty())
                control = fmt::format("{}/{}", process.chdir, control);  // relative to --chdir
            return run_operator(text.name, control, words);
        }
        program.prepare(std::move(configuration));
        Service::current() = &program;
        int code = 1;
        {
            ArbiterOptions<> options;
            options.start = [](Arbiter<>& self) -> Task<> { return Service::begin(self); };
            options.stopping = [](Arbiter<>& self) -> Task<> { return Service::drain(self); };
            auto longest = std::chrono::nanoseconds::max() - options.exit_timeout;
            options.exit_timeout += std::min(program.present->process.drain_delay, longest);
            std::optional<HiddenStandardError> hidden(std::in_place);  // the fork server inherits /dev/null
            Arbiter<> arbiter(options);
            hidden.reset();
            program.loop = &arbiter.loop();
            on_hangup = &reload_in_background;
            code = arbiter.run();
            on_hangup = nullptr;
            program.end();
        }
        return code;
    } catch (const SettingError& error) {
        fmt::print(stderr, "{}: {}\n", text.name, error.what());
        return 2;
    } catch (const std::logic_error& error) {
        fmt::print(stderr, "{}: {}\n", text.name, error.what());
        return 2;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", text.name, error.what());
        return 1;
    }
}

namespace programs {

inline Task<> until_end(ApplicationBase& application) { co_await application.ended(); }

}  // namespace programs

MAGNETAR_LAZY_BODY Task<> begin_application(ApplicationBase& application) {
    Arbiter<>* here = arbiter();
    if (!here)
        throw std::logic_error(
            "an application is started in main, or on the loop of an Arbiter<>: await start() in its start hook");
    if (auto wrong = wrong_name(application.name()); !wrong.empty()) throw std::invalid_argument(wrong);
    // Publishing under the name of a running application would change the settings of its new workers.
    auto names = known_applications();
    if (std::find(names.begin(), names.end(), application.name()) != names.end())
        throw SpawnError(
            fmt::format("an application with the name '{}' is already running", application.name()));
    application.config = application.code_config();
    close_sockets(application.sockets);
    names.push_back(application.name());
    try {
        open_sockets(application);
        ProcessSettings process;
        auto share = application.publish(process, names);
        co_await application.begin(*here, std::move(share));
    } catch (...) {
        application.forget();
        throw;
    }
    core_of(*here).start_job(programs::until_end(application)).detach();
    co_await application.started();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
