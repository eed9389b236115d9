#pragma once
#include <fmt/core.h>

#include <stdexcept>

#include <magnetar/app/detail/configuration.hpp>
#include <magnetar/app/detail/operator.hpp>
#include <magnetar/app/detail/process.hpp>
#include <magnetar/base/log.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

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

MAGNETAR_DECL const std::vector<SettingTable::Word>& program_words() {
    static const std::vector<SettingTable::Word> words = [] {
        std::vector<SettingTable::Word> list{
            {"--help", "", "print this text"},
            {"--version", "", "print the version"},
            {"--print-config", "", "print the settings with their origins, as a configuration file"},
            {"--check-config", "", "check the settings; exit code 2 if one is invalid"},
        };
        for (auto& word : operator_words()) list.push_back(word);
        return list;
    }();
    return words;
}
MAGNETAR_DECL std::string joined(const std::vector<std::string>& parts, std::string_view between) {
    std::string all;
    for (auto& part : parts) all += (all.empty() ? std::string() : std::string(between)) + part;
    return all;
}

MAGNETAR_DECL std::vector<SettingTable::Given> Configuration::read(const std::vector<std::string>& arguments,
                                                                   const std::string& file) {
    if (!file.empty()) table.read_file(file);
    table.read_environment();
    auto given = table.read_command_line(arguments, program_words());
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

MAGNETAR_DECL bool Configuration::is_live(std::string_view name) const {
    for (auto& setting : table.settings()) {
        if (setting.name != name) continue;
        if (setting.group == "Settings") return true;
        std::string key = setting.key();
        for (auto live :
             {"workers", "log_level", "log_format", "log_file", "proxies", "max_connections", "keep_alive",
              "max_requests", "max_requests_jitter", "max_lifetime", "max_memory", "drain_delay", "watch"})
            if (key == live) return true;
    }
    return false;
}
MAGNETAR_DECL void Configuration::validate() {
    auto wrong = [this](const void* field, const std::string& why) {
        for (auto& setting : table.settings()) {
            if (setting.field != field) continue;
            bool option = setting.origin.starts_with("--");
            std::string value = option ? joined(setting.ops->write(field), ", ") : table.value_text(setting);
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
    checked(&process.log_level, [this] { check_log_levels(joined(process.log_level, ",")); });
    if (!process.metrics.empty()) checked(&process.metrics, [this] { check_address(process.metrics); });
    checked(&process.user, [this] {
        if (auto user = find_user(process.user); user.id && !user.group && process.group.empty())
            throw std::invalid_argument("has no account, so that its group is unknown: set group, too");
    });
    checked(&process.group, [this] { find_group(process.group); });
    if (!process.umask.empty()) checked(&process.umask, [this] { read_umask(process.umask); });
    if (process.drain_delay < std::chrono::nanoseconds::zero())
        wrong(&process.drain_delay, "must not be negative");
    for (auto& app : applications) {
        WorkerSettings& workers = app->workers;
        if (workers.workers > most_workers)
            wrong(&workers.workers, fmt::format("must be at most {}", most_workers));
        if (workers.timeout <= std::chrono::nanoseconds::zero())
            wrong(&workers.timeout, "must be more than 0s");
        if (workers.exit_timeout < std::chrono::nanoseconds::zero())
            wrong(&workers.exit_timeout, "must not be negative");
        if (workers.period < std::chrono::nanoseconds::zero()) wrong(&workers.period, "must not be negative");
        if (workers.window < std::chrono::nanoseconds::zero()) wrong(&workers.window, "must not be negative");
        if (workers.max_lifetime < std::chrono::nanoseconds::zero())
            wrong(&workers.max_lifetime, "must not be negative");
        if (workers.threads == 0) wrong(&workers.threads, "must be at least 1");
        if (workers.mailbox == 0) wrong(&workers.mailbox, "must be at least 1");
        if (app->serves == Serves::nothing) continue;
        if (app->binding.bind.empty()) wrong(&app->binding.bind, "must be at least one address");
        for (auto& address : app->binding.bind)
            checked(&app->binding.bind, [&address] { check_address(address); });
        if (app->serving.reuse_port && !process.user.empty())
            wrong(&app->serving.reuse_port,
                  "cannot be combined with --user: all listeners must have the user that bound the port");
        if (app->serving.keep_alive.count() < 0) wrong(&app->serving.keep_alive, "must not be negative");
        if (app->serving.backlog > most_backlog)
            wrong(&app->serving.backlog, fmt::format("must be at most {}", most_backlog));
        if (app->serving.max_requests_jitter > 100)
            wrong(&app->serving.max_requests_jitter, "must be at most 100");
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
