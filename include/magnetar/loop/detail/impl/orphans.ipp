#pragma once
#include <magnetar/loop/detail/orphans.hpp>

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>

#include <magnetar/base/log.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/timer.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Calls `f(pid, start time)` for each child of this process that has ended and was not collected.
template <class F>
void for_each_ended_child(F f) {
    DIR* all = ::opendir("/proc");
    if (!all) return;
    while (dirent* entry = ::readdir(all)) {
        pid_t pid = std::atoi(entry->d_name);
        if (pid <= 0) continue;
        FILE* file = std::fopen(fmt::format("/proc/{}/stat", pid).c_str(), "re");
        if (!file) continue;
        char line[1024] = {};
        std::size_t size = std::fread(line, 1, sizeof line - 1, file);
        std::fclose(file);
        auto after_name = std::string_view(line, size).rfind(')');
        char state = 0;
        int parent = 0;
        unsigned long long started = 0;
        if (after_name == std::string_view::npos ||
            std::sscanf(line + after_name + 1,
                        " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                        &state, &parent, &started) != 3)
            continue;
        if (state == 'Z' && parent == ::getpid()) f(pid, started);
    }
    ::closedir(all);
}

struct EndedChild {
    unsigned long long started;
    LoopClock::time_point first;  // when it was first seen
    bool again;
};

MAGNETAR_LAZY_BODY Task<> collect_orphans(std::chrono::milliseconds pause, std::chrono::milliseconds grace) {
    EventLoop& loop = EventLoop::require("collect_orphans");
    std::map<pid_t, EndedChild> waiting;
    for (;;) {
        co_await sleep(pause);
        // Without __WALL, waitid neither reports nor collects workers.
        siginfo_t any{};
        if (::waitid(P_ALL, 0, &any, WEXITED | WNOHANG | WNOWAIT) != 0 || any.si_pid == 0) {
            waiting.clear();
            continue;
        }
        for (auto& [pid, seen] : waiting) seen.again = false;
        for_each_ended_child([&](pid_t pid, unsigned long long started) {
            auto [at, fresh] = waiting.try_emplace(pid, EndedChild{started, loop.now(), true});
            EndedChild& seen = at->second;
            if (!fresh && seen.started != started) seen = {started, loop.now(), true};
            seen.again = true;
            if (loop.now() - seen.first < grace) return;
            siginfo_t ended{};
            if (::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG) == 0 &&
                ended.si_pid == pid)
                Logger("arbiter").debug("collected the orphan {}", pid);
        });
        std::erase_if(waiting, [](const auto& one) { return !one.second.again; });
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
