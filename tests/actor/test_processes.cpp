#include <fmt/core.h>

#include <grp.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

std::string line_of(const std::string& path) {
    std::string text;
    if (FILE* file = std::fopen(path.c_str(), "re")) {
        for (int c; (c = std::fgetc(file)) != EOF && c != '\n';) text += static_cast<char>(c);
        std::fclose(file);
    }
    return text;
}
int variables(Actor<>&) {
    int count = 0;
    for (char** one = environ; one && *one; ++one) ++count;
    return count;
}
Task<> two_spawns(Arbiter<>&) {
    for (int round = 0; round < 2; ++round) {
        auto worker = co_await spawn({});
        auto count = co_await send(worker, run<variables>);
        CHECK(count <= 1);  // MAGNETAR_ENGINE
        CHECK(::clearenv() == 0);
    }
}
void exit_with(Actor<>&, int code) { ::_exit(code); }
Task<ExitStatus> end_of_a_worker(int code) {
    auto worker = co_await spawn({});
    co_await tell(worker, run<exit_with>, code);
    co_return co_await worker.closed();
}
std::string target_of(int fd) {
    char text[256] = {};
    auto n = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), text, sizeof text - 1);
    return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : "";
}
int streams_open(Actor<>&) {
    int count = 0;
    for (int fd : {0, 1, 2}) count += target_of(fd) == "/dev/null";
    std::puts("to nobody");
    std::fflush(stdout);
    return count;
}
unsigned mask_of(Actor<>&) {
    auto mask = ::umask(0);
    ::umask(mask);
    return mask;
}
int nice_of(Actor<>&) { return ::getpriority(PRIO_PROCESS, 0); }
std::uint64_t files_of(Actor<>&) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}
std::vector<unsigned> rights_of(Actor<>&) {
    std::vector<gid_t> groups(100);
    int n = ::getgroups(100, groups.data());
    groups.resize(static_cast<std::size_t>(std::max(n, 0)));
    uid_t u[3];
    gid_t g[3];
    ::getresuid(&u[0], &u[1], &u[2]);
    ::getresgid(&g[0], &g[1], &g[2]);
    std::vector<unsigned> all{u[0], u[1], u[2], g[0], g[1], g[2]};
    all.push_back(static_cast<unsigned>(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)));
    all.insert(all.end(), groups.begin(), groups.end());
    return all;
}
int signal_at_parents_death(Actor<>&) {
    int signal = 0;
    ::prctl(PR_GET_PDEATHSIG, &signal);
    return signal;
}
void print_without_end(Actor<>&) {
    std::ios_base::sync_with_stdio(false);
    std::cout << "cout of a worker;";
    std::fputs("stdio of a worker;", stdout);
}
// The signal state of a program started by popen(3): blocked and ignored signals.
std::string signals_seen() {
    FILE* program = ::popen("exec grep -E 'Sig(Blk|Ign)' /proc/self/status", "r");
    unsigned long long blocked = ~0ull, ignored = ~0ull;
    if (std::fscanf(program, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored) != 2) return "nothing";
    ::pclose(program);
    return fmt::format("{:x} {:x}", blocked, ignored);
}
std::string signals_of_a_program(Actor<>&) { return signals_seen(); }
Task<std::string> signals_of_a_program_of_an_executor(Actor<>& self) {
    co_return co_await self.loop().executor().run(&signals_seen);
}
// The worker raises a signal, and then in a child of its own; returns the signal that ended the child.
int after_signal(Actor<>&, int signal) {
    ::raise(signal);
    pid_t child = ::fork();
    if (child == 0) {
        ::raise(signal);
        ::_exit(0);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}
struct Signalled {
    Signalled() {
        for (int signal : {SIGUSR1, SIGHUP, SIGINT}) ::raise(signal);
    }
};
std::string word_and_folder(Actor<>&) {
    const char* word = std::getenv("MAGNETAR_TEST_WORD");
    char folder[256] = {};
    return fmt::format("{} {}", word ? word : "-", ::getcwd(folder, sizeof folder) ? folder : "-");
}
int descriptors_of(Actor<>&, std::string path) {
    int count = 0;
    for (int fd = 0; fd < 1024; ++fd) count += target_of(fd) == path;
    return count;
}
volatile std::sig_atomic_t heard_by_library = 0;
int last_child = 0;
int counted_child(Actor<>&) { return last_child == ::getpid(); }

}  // namespace

TEST_CASE("processes: an empty environment is none, whether environ is null before the arbiter or later") {
    Program before([](Program&) {
        ::clearenv();
        return exit_code_of([](Arbiter<>& self) { return two_spawns(self); });
    });
    CHECK(before.wait() == ExitStatus(0));
}

TEST_CASE(
    "processes: closed standard streams are /dev/null, in the arbiter and its workers, from the first") {
    Program program([](Program& self) {
        this_program = &self;
        for (int fd : {0, 1, 2}) ::close(fd);
        return exit_code_of([](Arbiter<>& arbiter) -> Task<> {
            auto worker = co_await spawn({});
            auto open = co_await send(worker, run<streams_open>);
            this_program->say(fmt::format("{} {}", streams_open(arbiter), open));
            auto pong = co_await send(worker, ping);
            this_program->say(pong);
        });
    });
    CHECK(program.hear() == "3 3");
    CHECK(program.hear() == "pong");
    CHECK(program.wait() == ExitStatus(0));
}

TEST_CASE(
    "processes: the end of a worker is known while SIGCHLD is ignored, and when any child is waited for") {
    static constexpr auto body = [](Arbiter<>&) -> Task<> {
        auto status = co_await with_timeout(20s, end_of_a_worker(7));
        CHECK((status == ExitStatus(7) || !status.is_known()));
        if (detail::fork_child_is_whole()) CHECK(status == ExitStatus(7));
    };
    Program ignored([](Program&) {
        ::signal(SIGCHLD, SIG_IGN);
        return exit_code_of(body);
    });
    CHECK(ignored.wait() == ExitStatus(0));
    Program taken([](Program&) {
        ::signal(SIGCHLD, [](int) {
            int kept = errno;  // it interrupts code that reads errno
            while (::waitpid(-1, nullptr, WNOHANG) > 0) {}
            errno = kept;
        });
        return exit_code_of(body);
    });
    CHECK(taken.wait() == ExitStatus(0));
}

TEST_CASE("processes: a program's own children stay its own, and who waits for any child gets no worker") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        pid_t own = ::fork();
        if (own == 0) ::_exit(5);
        auto status = co_await end_of_a_worker(7);
        CHECK(status == ExitStatus(7));
        int taken = 0;
        CHECK(::waitpid(-1, &taken, 0) == own);
        CHECK(WEXITSTATUS(taken) == 5);
        if (detail::fork_child_is_whole()) CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
    });
}

TEST_CASE(
    "processes: workers have the umask, nice value and limits that the arbiter has when they are made") {
    Program program([](Program&) {
        return exit_code_of([](Arbiter<>&) -> Task<> {
            auto before = co_await spawn({});
            ::umask(0137);
            auto nice = ::getpriority(PRIO_PROCESS, 0) + 1;
            ::setpriority(PRIO_PROCESS, 0, nice);
            rlimit limit{};
            ::getrlimit(RLIMIT_NOFILE, &limit);
            limit.rlim_cur = 77;
            ::setrlimit(RLIMIT_NOFILE, &limit);
            auto after = co_await spawn({});
            auto mask = co_await send(after, run<mask_of>);
            CHECK(mask == 0137);
            auto its_nice = co_await send(after, run<nice_of>);
            CHECK(its_nice == nice);
            auto files = co_await send(after, run<files_of>);
            CHECK(files == 77);
            files = co_await send(before, run<files_of>);
            CHECK(files != 77);
        });
    });
    CHECK(program.wait() == ExitStatus(0));
}

TEST_CASE("processes: workers have the rights that the arbiter has when they are made, and it ends them") {
    if (::getuid() != 0) return;  // only root has rights to give up
    Program program([](Program&) {
        return exit_code_of([](Arbiter<>& self) -> Task<> {
            auto before = co_await spawn({});
            gid_t groups[] = {65533, 65532};
            bool dropped = ::setgroups(2, groups) == 0 && ::setresgid(65534, 65534, 65534) == 0 &&
                           ::setresuid(65534, 65534, 65534) == 0 &&
                           ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
            CHECK(dropped);
            auto after = co_await spawn({});
            auto rights = co_await send(after, run<rights_of>);
            CHECK(rights == rights_of(self));
            CHECK(rights[0] == 65534);
            auto signal = co_await send(after, run<signal_at_parents_death>);
            CHECK(signal == SIGKILL);
            // The earlier worker has rights that its master has given up: the master cannot signal it, but
            // can send it a stop.
            co_await before.stop();
            auto status = co_await before.closed();
            CHECK(status.clean());
            co_await tell(after, run<exit_with>, 3);
            status = co_await after.closed();
            CHECK(status == ExitStatus(3));
        });
    });
    CHECK(program.wait() == ExitStatus(0));
}

TEST_CASE("processes: what a worker has printed is written when it ends well, by iostreams, too") {
    char path[] = "/tmp/magnetar-processes-XXXXXX";
    static UniqueFd file(::mkstemp(path));
    REQUIRE(bool(file));
    Program program([](Program&) {
        ::dup2(file.get(), STDOUT_FILENO);
        return exit_code_of([](Arbiter<>&) -> Task<> {
            auto worker = co_await spawn({});
            co_await send(worker, run<print_without_end>);
            co_await worker.stop();
            co_await worker.closed();
        });
    });
    CHECK(program.wait() == ExitStatus(0));
    auto text = line_of(path);
    CHECK(has(text, "cout of a worker;"));
    CHECK(has(text, "stdio of a worker;"));
    CHECK(text.find("cout") == text.rfind("cout"));
    ::unlink(path);
}

TEST_CASE("processes: a thread from before the arbiter that takes SIGTERM stops the program well") {
    Program program([](Program& self) {
        this_program = &self;
        std::thread([] {
            for (;;) ::pause();
        }).detach();
        return Arbiter<>({
                             .start = [](Arbiter<>&) -> Task<> {
                                 // Only the older thread can receive it.
                                 sigset_t term;
                                 sigemptyset(&term);
                                 sigaddset(&term, SIGTERM);
                                 pthread_sigmask(SIG_BLOCK, &term, nullptr);
                                 this_program->say("ready");
                                 co_return;
                             },
                             .stopping = [](Arbiter<>&) -> Task<> {
                                 this_program->say("stopping");
                                 co_return;
                             },
                         })
            .run();
    });
    CHECK(program.hear() == "ready");
    program.signal(SIGTERM);
    CHECK(program.hear() == "stopping");
    CHECK(program.wait() == ExitStatus(0));
}

TEST_CASE("processes: a program that an actor starts has no signal blocked or ignored for magnetar's sake") {
    static std::string before = signals_seen();
    in_arbiter([](Arbiter<>& self) -> Task<> {
        CHECK(signals_of_a_program(self) == before);
        for (auto kind : {Concurrency::process, Concurrency::thread}) {
            SpawnOptions<> options;
            options.concurrency = kind;
            auto actor = co_await spawn(options);
            auto seen = co_await send(actor, run<signals_of_a_program>);
            CHECK(seen == before);
            seen = co_await send(actor, run<signals_of_a_program_of_an_executor>);
            CHECK(seen == before);
        }
    });
}

TEST_CASE(
    "processes: SIGINT and SIGHUP of a worker are for its arbiter; a child that it forks ends by them") {
    int code = exit_code_of([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({});
        for (int signal : {SIGINT, SIGHUP}) {
            auto ended_by = co_await send(worker, run<after_signal>, signal);
            // In a child of a process with threads ThreadSanitizer runs no handler.
            if (!watches_threads) CHECK(ended_by == signal);
        }
        auto pong = co_await send(worker, ping);
        CHECK(pong == "pong");
    });
    CHECK(code == 0);
}

TEST_CASE("processes: SIGUSR1 does not end a worker whose state is being made") {
    int code = exit_code_of([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn<Signalled>({});
        auto pong = co_await send(worker, ping);
        CHECK(pong == "pong");
    });
    CHECK(code == 0);
}

TEST_CASE("processes: the handlers of pthread_atfork run in workers") {
    if (!detail::fork_child_is_whole()) return;
    static const int registered =
        pthread_atfork(nullptr, nullptr, [] { last_child = static_cast<int>(::getpid()); });
    REQUIRE(registered == 0);
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({});
        auto counted = co_await send(worker, run<counted_child>);
        CHECK(counted == 1);
    });
}

TEST_CASE(
    "processes: a worker has the environment and the working directory that the arbiter has when it is made") {
    Program program([](Program&) {
        return exit_code_of([](Arbiter<>&) -> Task<> {
            for (std::string word : {"first", "second"}) {
                ::setenv("MAGNETAR_TEST_WORD", word.c_str(), 1);
                if (::chdir(word == "first" ? "/proc" : "/") != 0) throw std::runtime_error("chdir");
                auto worker = co_await spawn({});
                auto seen = co_await send(worker, run<word_and_folder>);
                if (seen != (word == "first" ? "first /proc" : "second /")) throw std::runtime_error(seen);
            }
        });
    });
    CHECK_MESSAGE(program.wait() == ExitStatus(0), program.log());
}

TEST_CASE("processes: a worker has none of the descriptors that the arbiter has opened") {
    char before[] = "/tmp/magnetar-processes-XXXXXX", later[] = "/tmp/magnetar-processes-XXXXXX";
    UniqueFd file(::mkstemp(before));  // not closed on exec, as many libraries leave theirs
    static std::string paths[2];
    paths[0] = before;
    paths[1] = later;
    in_arbiter([](Arbiter<>& self) -> Task<> {
        UniqueFd another(::mkstemp(paths[1].data()));
        auto worker = co_await spawn({});
        for (auto& path : paths) {
            CHECK(descriptors_of(self, path) == 1);
            auto count = co_await send(worker, run<descriptors_of>, path);
            CHECK(count == 0);
        }
    });
    for (auto& path : paths) ::unlink(path.c_str());
}

TEST_CASE("processes: a worker ends without handlers of atexit") {
    Program program([](Program& self) {
        this_program = &self;
        std::atexit([] { this_program->say("atexit"); });
        int code = exit_code_of([](Arbiter<>&) -> Task<> {
            auto worker = co_await spawn({});
            co_await worker.stop();
            co_await worker.closed();
        });
        self.say("over");
        return code;
    });
    CHECK(program.hear() == "over");
    CHECK(program.wait() == ExitStatus(0));
}

TEST_CASE("processes: a library that takes SIGTERM while the arbiter runs takes it from the arbiter") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto before = std::signal(SIGTERM, [](int) { heard_by_library = 1; });
        ::kill(::getpid(), SIGTERM);
        bool heard = co_await until([] { return heard_by_library == 1; });
        CHECK(heard);
        CHECK(self.is_running());
        std::signal(SIGTERM, before);
    });
}
