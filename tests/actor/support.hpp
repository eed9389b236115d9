#pragma once
#include <fcntl.h>
#include <signal.h>

#include <dirent.h>
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <magnetar/actor/supervision/fork_server.hpp>
#include <magnetar/magnetar.hpp>
#include <typeinfo>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <string>
#include <vector>

namespace magnetar::test {

using namespace std::chrono_literals;

// A sanitizer needs descriptors for files of its own.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true, watches_threads = true;
#elif defined(__SANITIZE_ADDRESS__)
inline constexpr bool sanitized = true, watches_threads = false;
#elif defined(__has_feature)
inline constexpr bool watches_threads = __has_feature(thread_sanitizer);
inline constexpr bool sanitized = __has_feature(address_sanitizer) || watches_threads;
#else
inline constexpr bool sanitized = false, watches_threads = false;
#endif

// Number of processes that an arbiter has before any worker.
inline constexpr std::size_t fork_servers = detail::fork_server_places;

inline constexpr std::array every_kind{Concurrency::process, Concurrency::thread, Concurrency::coroutine};

template <class F, int seconds = 30>
Task<> run_and_stop(Arbiter<>& self) {
    try {
        co_await with_timeout(std::chrono::seconds(seconds), F{}(self));
    } catch (const std::exception& error) {
        FAIL_CHECK(demangled(typeid(error).name()) << ": " << std::string(error.what()));
    }
    self.stop();
}

// Runs `body(arbiter)`, a coroutine without captures, in an arbiter that stops afterwards; its exit code.
template <int seconds = 30, class F>
int exit_code_of(F) {
    return Arbiter<>({.start = [](Arbiter<>& self) { return run_and_stop<F, seconds>(self); }}).run();
}
template <int seconds = 30, class F>
void in_arbiter(F body) {
    CHECK(exit_code_of<seconds>(body) == 0);
}

// The text of the E that `awaitable` throws; empty, and a failed check, when it throws none.
template <class E, Awaitable A>
Task<std::string> error_of(A awaitable) {
    std::string text;
    bool thrown = false;
    try {
        co_await std::move(awaitable);
    } catch (const E& error) {
        thrown = true;
        text = error.what();
    } catch (const std::exception& error) {
        text = demangled(typeid(error).name()) + ": " + error.what();
    }
    CHECK_MESSAGE(thrown, "not thrown: " << demangled(typeid(E).name()) << "; but "
                                         << (text.empty() ? "nothing" : text));
    co_return text;
}
inline bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

// A command that never ends on its own, and one that sends it to another actor.
inline Task<> stay(Actor<>&) { co_await sleep(1h); }
inline Task<> stay_at(Actor<>&, ActorProxy<> other) { co_await send(other, run<stay>); }

// Waits until the condition holds; false after the time limit.
template <class Condition>
Task<bool> until(Condition condition, std::chrono::milliseconds limit = 20s) {
    auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) co_return false;
        co_await sleep(1ms);
    }
    co_return true;
}
// The same outside of any loop.
template <class Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = 20s) {
    auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        ::usleep(1000);
    }
    return true;
}

inline std::size_t entries(const std::string& directory) {
    std::size_t count = 0;
    if (DIR* open = ::opendir(directory.c_str())) {
        while (dirent* entry = ::readdir(open)) count += entry->d_name[0] != '.';
        ::closedir(open);
    }
    return count;
}
inline std::size_t open_fds() { return entries("/proc/self/fd"); }
inline std::size_t threads() { return entries("/proc/self/task"); }

// Processes whose parent is `pid`, zombies among them.
inline std::vector<int> children_of(int pid) {
    std::vector<int> found;
    DIR* open = ::opendir("/proc");
    while (dirent* entry = ::readdir(open)) {
        int candidate = std::atoi(entry->d_name);
        if (candidate <= 0) continue;
        FILE* stat = std::fopen(fmt::format("/proc/{}/stat", candidate).c_str(), "re");
        if (!stat) continue;
        char line[512] = {};
        std::size_t size = std::fread(line, 1, sizeof line - 1, stat);
        std::fclose(stat);
        std::string_view text(line, size);
        auto after_name = text.rfind(')');
        int parent = 0;
        if (after_name != text.npos && std::sscanf(line + after_name + 1, " %*c %d", &parent) == 1 &&
            parent == pid)
            found.push_back(candidate);
    }
    ::closedir(open);
    return found;
}
inline std::size_t resident_bytes() {
    long pages = 0, find_local = 0;
    FILE* statm = std::fopen("/proc/self/statm", "re");
    if (std::fscanf(statm, "%ld %ld", &pages, &find_local) != 2) find_local = 0;
    std::fclose(statm);
    return static_cast<std::size_t>(find_local) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// A process watched by its descriptor: its end is noticed whatever its parent.
class Watched {
public:
    explicit Watched(int pid) : fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
    bool gone(std::chrono::milliseconds limit = 0ms) const {
        pollfd readable{fd_.get(), POLLIN, 0};
        return !fd_ || ::poll(&readable, 1, static_cast<int>(limit.count())) == 1;
    }

private:
    UniqueFd fd_;
};

// A program in a process of its own, so that it may be killed; it sends lines to its parent.
class Program {
public:
    explicit Program(int (*main)(Program& self)) {
        int ends[2], log[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        REQUIRE(::pipe2(log, O_CLOEXEC) == 0);
        std::fflush(nullptr);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::dup2(log[1], 2);
            out_ = UniqueFd(ends[1]);
            ::close(ends[0]);
            ::close(log[0]);
            int code = 99;
            try {
                code = main(*this);
            } catch (const std::exception& error) {
                fmt::print(stderr, "escaped: {}\n", error.what());
            }
            std::fflush(nullptr);
            ::_exit(code);
        }
        in_ = UniqueFd(ends[0]);
        log_ = UniqueFd(log[0]);
        ::close(ends[1]);
        ::close(log[1]);
    }
    ~Program() {
        if (!collected_) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    int pid() const noexcept { return pid_; }

    // In the program: sends a line to its parent.
    void say(std::string_view line) const {
        std::string text(line);
        text += '\n';
        [[maybe_unused]] auto n = ::write(out_.get(), text.data(), text.size());
    }
    // In the parent: the next line; empty at the end, or when none comes in time.
    std::string hear(std::chrono::milliseconds limit = 20s) {
        std::string line;
        for (char c = 0;;) {
            pollfd readable{in_.get(), POLLIN, 0};
            if (::poll(&readable, 1, static_cast<int>(limit.count())) != 1 || ::read(in_.get(), &c, 1) != 1 ||
                c == '\n')
                return line;
            line += c;
        }
    }
    int hear_number() { return std::atoi(hear().c_str()); }
    void signal(int number) const { ::kill(pid_, number); }
    // Its exit status; kills it with SIGKILL when it does not end within the limit.
    ExitStatus wait(std::chrono::milliseconds limit = 30s) {
        Watched watched(pid_);
        if (!watched.gone(limit)) ::kill(pid_, SIGKILL);
        int status = 0;
        ::waitpid(pid_, &status, 0);
        collected_ = true;
        return WIFSIGNALED(status) ? ExitStatus::killed(WTERMSIG(status)) : ExitStatus(WEXITSTATUS(status));
    }
    // All that it and its children have logged; waits until they have ended.
    std::string log() {
        std::string text;
        char block[4096];
        for (ssize_t n; (n = ::read(log_.get(), block, sizeof block)) > 0;)
            text.append(block, static_cast<std::size_t>(n));
        return text;
    }

private:
    UniqueFd in_, out_, log_;
    pid_t pid_ = -1;
    bool collected_ = false;
};
// In the process of a Program: that Program.
inline Program* this_program = nullptr;

// ---- functions to run in actors

inline int process_of(Actor<>&) { return ::getpid(); }
inline int thread_of(Actor<>&) { return static_cast<int>(::syscall(SYS_gettid)); }
inline std::string name_of(Actor<>& self) { return self.name(); }
inline Task<> sleep_for(Actor<>&, int milliseconds) {
    co_await sleep(std::chrono::milliseconds(milliseconds));
}
inline void quit_with(Actor<>&, int code) { throw ActorExit{code}; }
inline void throw_text(Actor<>&, std::string text) { throw std::invalid_argument(text); }
[[noreturn]] inline void hang(Actor<>&) {
    for (;;) ::pause();
}
inline std::string read_env(Actor<>&, std::string variable) {
    const char* value = std::getenv(variable.c_str());
    return value ? value : "";
}
inline Task<ActorProxy<>> spawn_child(Actor<>&, std::string name, Concurrency kind) {
    SpawnOptions<> options;
    options.name = name;
    options.concurrency = kind;
    co_return co_await spawn(options);
}

}  // namespace magnetar::test
