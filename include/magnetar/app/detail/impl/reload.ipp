#pragma once
#include <fmt/core.h>

#include <exception>
#include <memory>
#include <stdexcept>

#include <magnetar/app/detail/metrics.hpp>
#include <magnetar/app/detail/process.hpp>
#include <magnetar/app/detail/reload.hpp>
#include <magnetar/app/detail/service.hpp>
#include <magnetar/app/detail/upkeep.hpp>
#include <magnetar/base/detail/quantity.hpp>
#include <magnetar/base/log.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace reloading {

// One reload at a time. Another one requested meanwhile by a signal or a changed file begins when this one
// ends.
struct UnderWay {
    UnderWay(Service& p, Actor<>& a) : program(p), arbiter(a) {
        if (program.reloading) throw std::runtime_error("a reload is under way");
        program.reloading = true;
    }
    UnderWay(const UnderWay&) = delete;
    ~UnderWay() {
        program.reloading = false;
        if (std::exchange(program.reload_again, false) && arbiter.life() < Lifecycle::stopping)
            reload_in_background(arbiter);
    }
    Service& program;
    Actor<>& arbiter;
};

// Returns what changes. A setting that cannot change while the program runs is named, and keeps its present
// value in `next`.
inline std::vector<std::string> take_over(Configuration& next, Configuration& present) {
    std::vector<std::string> said;
    for (auto& name : next.table.differences(present.table)) {
        Setting& setting = *next.table.find(name);
        Setting& old = *present.table.find(name);
        auto values = setting.ops->write(setting.field), old_values = old.ops->write(old.field);
        std::string value = joined(values, ", ");
        if (value.empty()) value = "empty";
        // With 0 workers the work is done in the first process.
        bool changes_place = setting.group == "Workers" && setting.key() == "workers" &&
                             (value == "0" || old_values.front() == "0");
        if (next.is_live(name) && !changes_place) {
            said.push_back(fmt::format("{} is now {} ({})", name, value, setting.origin));
            continue;
        }
        said.push_back(fmt::format("{}: {} ({}) needs a restart", name, value, setting.origin));
        setting.ops->clear(setting.field);
        for (auto& text : old_values) setting.ops->read(setting.field, text);
        setting.origin = old.origin;
    }
    return said;
}
// Replaces the workers of one application by workers with its next settings. Throws when a new one does not
// start.
inline Task<> replace_workers(Service& program, ApplicationBase& app, const AppConfig& next,
                              std::uint32_t workers_before) {
    auto fresh = std::make_unique<AppConfig>(next);
    fresh->workers.workers = app.config->workers.workers;  // which an operator may have changed
    auto old = std::exchange(app.config, std::move(fresh));
    std::string trouble;
    try {
        program.publish(app);
        co_await app.reload();
        std::uint32_t wanted = next.workers.workers;
        if (wanted != workers_before && wanted > 0) {
            co_await app.scale(wanted);
            app.config->workers.workers = wanted;
        }
        co_return;
    } catch (const std::exception& error) {
        trouble = error.what();
    }
    app.config = std::move(old);
    program.publish(app);
    // The caller reports it with the program's name: an application of the same name is not named again.
    std::string named = app.name() == program.text.name ? std::string() : app.name() + ": ";
    throw std::runtime_error(fmt::format("{}{}; the old workers continue", named, trouble));
}

}  // namespace reloading

MAGNETAR_DECL Task<std::vector<std::string>> reload_program(Service& program, Actor<>& arbiter) {
    if (arbiter.life() >= Lifecycle::stopping) throw std::runtime_error("the program is stopping");
    reloading::UnderWay under_way(program, arbiter);
    co_await program.ready.wait();
    auto next = program.configure();
    program.manager.tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", monotonic_ns() / 1000));
    auto said = reloading::take_over(*next, *program.present);
    std::unique_ptr<Configuration> before = std::exchange(program.present, std::move(next));
    std::exception_ptr failure;
    try {
        configure_log(program.log_options());
        program.make_room_for_connections();
        for (std::size_t i = 0; i < program.applications.size(); ++i) {
            ApplicationBase& app = *program.applications[i];
            if (!app.monitor) continue;
            co_await reloading::replace_workers(program, app, *program.present->applications[i],
                                                before->applications[i]->workers.workers);
            said.push_back(
                fmt::format("{}: {} replaced", app.name(), quantity(app.workers().size(), "worker")));
        }
    } catch (const std::exception&) {
        failure = std::current_exception();
    }
    program.manager.tell("READY=1");
    if (failure) {
        program.present = std::move(before);
        try {
            configure_log(program.log_options());
        } catch (const std::exception& error) {
            Logger(program.text.name).error("the log stays as it is: {}", error.what());
        }
        std::rethrow_exception(failure);
    }
    keep_up(program, arbiter);
    Logger log(program.text.name);
    for (auto& line : said) log.info("reload: {}", line);
    co_return said;
}

namespace reloading {

inline Task<> reload_and_log(Actor<>& arbiter) {
    Service& program = *Service::current();
    std::string trouble;
    try {
        co_await reload_program(program, arbiter);
    } catch (const std::exception& error) {
        trouble = error.what();
    }
    if (!trouble.empty()) Logger(program.text.name).error("reload: {}", trouble);
}

}  // namespace reloading

MAGNETAR_DECL void reload_in_background(Actor<>& arbiter) {
    // Settings changed since the running reload read them are read by another one after it; no request is
    // refused.
    Service& program = *Service::current();
    if (program.reloading) {
        program.reload_again = true;
        return;
    }
    core_of(arbiter).start_job(reloading::reload_and_log(arbiter)).detach();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
