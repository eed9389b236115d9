#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <magnetar/actor/supervision/fork_child.hpp>

#include <cerrno>
#include <csignal>
#include <cstdlib>

using namespace magnetar;
using namespace magnetar::detail;

namespace {

template <class T>
T* in_shared_memory() {
    void* page = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(page != MAP_FAILED);
    return static_cast<T*>(page);
}
int code_of(pid_t pid) {
    int status = 0;
    if (::waitpid(pid, &status, __WALL) != pid) return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int prepared = 0, in_parent = 0, in_child = 0;
void count_handlers() {
    static const int registered = pthread_atfork(
        [] {
            ++prepared;
            ::getppid();
        },
        [] { ++in_parent; }, [] { in_child = static_cast<int>(::getpid()); });
    REQUIRE(registered == 0);
}

}  // namespace

TEST_CASE("fork child: its end sends no SIGCHLD, and only who asks for it gets its status") {
    static volatile sig_atomic_t heard = 0;
    auto before = ::signal(SIGCHLD, [](int) { heard = 1; });
    auto* made = in_shared_memory<pid_t>();
    pid_t pid = fork_child(ChildOf::this_process, made);
    REQUIRE(pid >= 0);
    if (pid == 0) ::_exit(*made == ::getpid() ? 7 : 8);
    CHECK(*made == pid);
    siginfo_t ended{};
    CHECK(::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT | __WALL) == 0);
    if (fork_child_is_whole()) {
        CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
        CHECK(heard == 0);
    }
    CHECK(code_of(pid) == 7);
    ::signal(SIGCHLD, SIG_IGN);
    pid = fork_child(ChildOf::this_process, nullptr);
    if (pid == 0) ::_exit(9);
    if (fork_child_is_whole()) CHECK(code_of(pid) == 9);
    else code_of(pid);
    ::signal(SIGCHLD, before);
    ::munmap(made, sizeof *made);
}

TEST_CASE("fork child: the handlers of pthread_atfork run, before and on both sides") {
    if (!fork_child_is_whole()) return;
    count_handlers();
    int times = prepared;
    in_child = 0;
    pid_t pid = fork_child(ChildOf::this_process, nullptr);
    if (pid == 0) ::_exit(in_child == ::getpid() ? 0 : 1);
    CHECK(code_of(pid) == 0);
    CHECK(prepared == times + 1);
    CHECK(in_parent == times + 1);
    CHECK(in_child == 0);
    // System calls are no longer trapped, and SIGSYS has its previous action.
    struct sigaction action{};
    REQUIRE(::sigaction(SIGSYS, nullptr, &action) == 0);
    CHECK(bool(action.sa_handler == SIG_DFL));
    CHECK(::getppid() > 0);
}

namespace {

void sibling_is_complete(pid_t (*make)(pid_t*), bool whole) {
    count_handlers();
    struct Shared {
        pid_t made;
        pthread_mutex_t robust, checking;
    };
    auto* shared = in_shared_memory<Shared>();
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&shared->robust, &attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_STALLED);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&shared->checking, &attributes);
    pid_t self = ::getpid();
    pid_t server = fork_child(ChildOf::this_process, nullptr);
    REQUIRE(server >= 0);
    if (server == 0) {
        pthread_mutex_lock(&shared->checking);
        pid_t sibling = make(&shared->made);
        if (sibling == 0) {
            int wrong = ::getppid() != self;
            wrong |= (whole && in_child != ::getpid()) << 1;
            // The mutex is held by the process that forked this one.
            wrong |= (pthread_mutex_unlock(&shared->checking) != EPERM) << 2;
            pthread_mutex_lock(&shared->robust);
            if (wrong) ::_exit(wrong);
            ::raise(SIGKILL);
        }
        siginfo_t ended{};
        bool not_mine = ::waitid(P_PID, static_cast<id_t>(sibling), &ended, WEXITED | WNOHANG | __WALL) != 0;
        ::_exit(sibling > 0 && sibling == shared->made && not_mine ? 0 : 1);
    }
    CHECK(code_of(server) == 0);
    REQUIRE(shared->made > 0);
    CHECK(code_of(shared->made) == 1000 + SIGKILL);
    CHECK(pthread_mutex_lock(&shared->robust) == EOWNERDEAD);
    ::munmap(shared, sizeof *shared);
}

}  // namespace

TEST_CASE("fork child: a sibling is the parent's child, and has its own thread id and robust list") {
    sibling_is_complete([](pid_t* made) { return fork_child(ChildOf::parent_of_this_process, made); },
                        fork_child_is_whole());
    sibling_is_complete(&clone_sibling, false);
}
