#pragma once
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>

#include <magnetar/app/detail/json_path.hpp>
#include <magnetar/app/detail/process.hpp>
#include <magnetar/app/detail/program_info.hpp>
#include <magnetar/app/detail/reload.hpp>
#include <magnetar/app/detail/service.hpp>
#include <magnetar/app/detail/upkeep.hpp>
#include <magnetar/app/detail/worker_limits.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/timer.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace upkeep {

// Whether the counters of the workers are needed.
inline bool watches_workers(const Service& program) {
    bool any = program.health.has_value();
    for (auto* app : program.applications) any = any || has_limits(*app->config);
    return any;
}
inline bool needed(const Service& program) {
    return watches_workers(program) || !program.present->process.watch.empty() ||
           program.watchdog.count() > 0;
}
// The inode and modification time of each watched file.
inline std::string watched_files(const Service& program) {
    std::string all;
    for (auto& path : program.present->process.watch) {
        struct stat found{};
        bool there = ::stat(path.c_str(), &found) == 0;
        all += fmt::format("{} {} {};", there ? found.st_ino : 0, there ? found.st_mtim.tv_sec : 0,
                           there ? found.st_mtim.tv_nsec : 0);
    }
    return all;
}
// Takes until the old worker has finished its work in progress.
inline Task<> recycle(ApplicationBase& app, ActorProxy<> worker, std::string why) {
    Logger log(app.name());
    log.info("{} is replaced: {}", worker.to_string(), why);
    std::string trouble;
    try {
        co_await app.replace(worker);
    } catch (const std::exception& error) {
        trouble = error.what();
    }
    if (!trouble.empty()) log.error("{} is not replaced: {}", worker.to_string(), trouble);
    app.recycling = false;
}
// Collects the counters of the workers and replaces those over a limit, one at a time in each application.
inline Task<> look_at_workers(Service& program, Actor<>& arbiter) {
    struct Look {
        bool& under_way;
        ~Look() { under_way = false; }
    } look{program.looking};
    for (auto* app : program.applications) {
        if (!app->monitor) continue;
        auto present_workers = app->workers();
        auto asked = ++program.looks;
        std::vector<Task<Json>> asking;
        for (auto& worker : present_workers) asking.push_back(info_of(worker));
        auto answers = co_await when_all(std::move(asking));
        program.totals[app->name()].update(answers, asked);
        if (!has_limits(*app->config) || program.reloading || app->recycling) continue;
        // The oldest of those over a limit, so that each gets its turn.
        std::size_t oldest = answers.size();
        auto age = [&](std::size_t worker) { return number_at(answers[worker], {"actor", "age_seconds"}); };
        for (std::size_t i = 0; i < answers.size(); ++i)
            if (!over_limit(*app->config, answers[i], present_workers[i].id()).empty() &&
                (oldest == answers.size() || age(i) > age(oldest)))
                oldest = i;
        if (oldest == answers.size()) continue;
        ActorProxy<> worker = present_workers[oldest];
        std::string why = over_limit(*app->config, answers[oldest], worker.id());
        app->recycling = true;
        core_of(arbiter).start_job(recycle(*app, std::move(worker), std::move(why))).detach();
    }
}

// Updates the heartbeat and notifies the watchdog while the loop runs, to the end of a stop. It never waits
// for an answer.
inline Task<> run(Service& program, Actor<>& arbiter) {
    auto watchdog = program.watchdog / 2;
    auto period = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::milliseconds(500));
    if (watchdog.count() > 0) period = std::min(period, watchdog);
    std::string files = watched_files(program);
    LoopClock::time_point looked = arbiter.loop().now();
    for (;;) {
        co_await sleep(period);
        program.beat();
        if (watchdog.count() > 0) program.manager.tell_again("WATCHDOG=1");
        if (!program.ready.is_set() || arbiter.life() >= Lifecycle::stopping) continue;
        if (auto now = watched_files(program); now != files) {
            files = std::move(now);
            reload_in_background(arbiter);
        }
        if (!watches_workers(program) || program.looking ||
            arbiter.loop().now() - looked < std::chrono::seconds(1))
            continue;
        looked = arbiter.loop().now();
        program.looking = true;
        core_of(arbiter).start_job(look_at_workers(program, arbiter)).detach();
    }
}

}  // namespace upkeep

MAGNETAR_DECL void keep_up(Service& program, Actor<>& arbiter) {
    if (program.is_kept_up || !upkeep::needed(program)) return;
    program.is_kept_up = true;
    core_of(arbiter).start_job(upkeep::run(program, arbiter)).detach();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
