#pragma once
#include <magnetar/actor/supervision/fork_child.hpp>

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#if defined(__SANITIZE_THREAD__)
#define MAGNETAR_FORK_TRAP 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MAGNETAR_FORK_TRAP 0
#endif
#endif
#if !defined(MAGNETAR_FORK_TRAP)
#if defined(__x86_64__) && defined(__LP64__)
#define MAGNETAR_FORK_TRAP 1
#else
#define MAGNETAR_FORK_TRAP 0
#endif
#endif

namespace magnetar::inline MAGNETAR_MODE::detail {

// ---- by clone(2)

MAGNETAR_DECL pid_t clone_sibling(pid_t* made) noexcept {
    std::uintptr_t tid_address = 0;
    unsigned long flags = CLONE_PARENT;
    if (made) flags |= CLONE_PARENT_SETTID;
    if (::prctl(PR_GET_TID_ADDRESS, &tid_address, 0, 0, 0) == 0 && tid_address)
        flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    void* robust_list = nullptr;
    std::size_t robust_size = 0;
    bool robust = ::syscall(SYS_get_robust_list, 0, &robust_list, &robust_size) == 0 && robust_list;
#if defined(__s390x__)
    long pid = ::syscall(SYS_clone, nullptr, flags, made, tid_address, 0);
#elif defined(__x86_64__) || defined(__m68k__) || defined(__alpha__)
    long pid = ::syscall(SYS_clone, flags, nullptr, made, tid_address, 0);
#else  // aarch64, arm, i386, riscv, power, mips: the thread's storage comes before the child's id
    long pid = ::syscall(SYS_clone, flags, nullptr, made, 0, tid_address);
#endif
    if (pid == 0 && robust) ::syscall(SYS_set_robust_list, robust_list, robust_size);
    return static_cast<pid_t>(pid);
}

// ---- by the C library's fork

#if MAGNETAR_FORK_TRAP

struct ForkTrap {
    static constexpr char allow = 0, block = 1;  // SYSCALL_DISPATCH_FILTER_*
    volatile char selector = allow;
    unsigned long flags = 0;
    pid_t* made = nullptr;
};
inline constinit ForkTrap fork_trap;

inline long direct_system_call(long number, long a, long b, long c, long d, long e, long f) noexcept {
    long result = 0;
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

// Runs instead of each system call of fork and of its handlers.
inline void on_trapped_call(int, siginfo_t*, void* where) noexcept {
    fork_trap.selector = ForkTrap::allow;
    auto* interrupted = static_cast<ucontext_t*>(where);
    auto& registers = interrupted->uc_mcontext.gregs;
    long number = registers[REG_RAX], a = registers[REG_RDI], b = registers[REG_RSI], c = registers[REG_RDX],
         d = registers[REG_R10];
    if (number == SYS_clone || number == SYS_fork) {  // without an exit signal
        constexpr unsigned long exit_signal = 0xff;
        unsigned long flags = number == SYS_clone ? static_cast<unsigned long>(a) & ~exit_signal : 0;
        registers[REG_RAX] =
            direct_system_call(SYS_clone, static_cast<long>(flags | fork_trap.flags), 0,
                               reinterpret_cast<long>(fork_trap.made), number == SYS_clone ? d : 0, 0, 0);
        return;  // `selector` stays at `allow`
    }
    if (number == SYS_clone3) {
        registers[REG_RAX] = -ENOSYS;  // the C library then tries clone
    } else if (number == SYS_rt_sigprocmask) {
        // The mask is set when this handler returns. SIGSYS stays unblocked, or the next trap would kill the
        // process.
        std::uint64_t mask = 0, change = 0;
        std::memcpy(&mask, &interrupted->uc_sigmask, sizeof mask);
        if (c) std::memcpy(reinterpret_cast<void*>(c), &mask, sizeof mask);
        if (b) {
            std::memcpy(&change, reinterpret_cast<void*>(b), sizeof change);
            mask = a == SIG_BLOCK ? mask | change : a == SIG_UNBLOCK ? mask & ~change : change;
            mask &= ~(std::uint64_t{1} << (SIGSYS - 1));
            std::memcpy(&interrupted->uc_sigmask, &mask, sizeof mask);
        }
        registers[REG_RAX] = 0;
    } else {
        registers[REG_RAX] = direct_system_call(number, a, b, c, d, registers[REG_R8], registers[REG_R9]);
    }
    fork_trap.selector = ForkTrap::block;
}

// Valgrind passes the prctl on to the kernel, and its own system calls would be trapped. Detected by its
// request RUNNING_ON_VALGRIND, which is a no-op elsewhere.
inline bool under_valgrind() noexcept {
    volatile unsigned long request[6] = {0x1001, 0, 0, 0, 0, 0};
    unsigned long answer = 0;
    asm volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi; xchgq %%rbx, %%rbx"
                 : "=d"(answer)
                 : "a"(&request[0]), "0"(0ul)
                 : "cc", "memory");
    return answer != 0;
}
// A debugger would stop at every trap.
inline bool under_debugger() noexcept {
    bool traced = true;
    if (FILE* status = std::fopen("/proc/self/status", "re")) {
        char line[256];
        while (std::fgets(line, sizeof line, status))
            if (int tracer = 0; std::sscanf(line, "TracerPid: %d", &tracer) == 1) traced = tracer != 0;
        std::fclose(status);
    }
    return traced;
}

inline bool fork_trap_works() noexcept {
    static const bool works = !under_valgrind() && !under_debugger();
    return works;
}

// False when system calls cannot be trapped; then nothing was forked.
inline bool trapped_fork(unsigned long flags, pid_t* made, pid_t& pid) noexcept {
    constexpr int set_dispatch = 59, dispatch_off = 0, dispatch_on = 1;  // missing in old headers
    if (!fork_trap_works()) return false;
    struct sigaction action{}, before{};
    action.sa_sigaction = &on_trapped_call;
    action.sa_flags = SA_SIGINFO;
    sigset_t mask, mask_before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGSYS);
    if (::sigaction(SIGSYS, &action, &before) != 0) return false;
    pthread_sigmask(SIG_UNBLOCK, &mask, &mask_before);
    // The return from the handler is a system call of the C library, too: its address is exempt.
    struct {
        void* handler;
        unsigned long flags;
        unsigned long restorer;
        std::uint64_t mask;
    } installed{};
    bool trapped = ::syscall(SYS_rt_sigaction, SIGSYS, nullptr, &installed, sizeof installed.mask) == 0 &&
                   installed.restorer != 0;
    fork_trap.flags = flags;
    fork_trap.made = made;
    fork_trap.selector = ForkTrap::allow;
    trapped =
        trapped && ::prctl(set_dispatch, dispatch_on, installed.restorer, 16ul, &fork_trap.selector) == 0;
    int error = 0;
    if (trapped) {
        fork_trap.selector = ForkTrap::block;
        pid = ::fork();
        error = errno;
        fork_trap.selector = ForkTrap::allow;
        ::prctl(set_dispatch, dispatch_off, 0, 0, 0);  // not inherited by the child
    }
    pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
    ::sigaction(SIGSYS, &before, nullptr);
    errno = error;
    return trapped;
}

#endif

MAGNETAR_DECL bool fork_child_is_whole() noexcept {
#if MAGNETAR_FORK_TRAP
    pid_t pid = -1;
    if (!trapped_fork(0, nullptr, pid)) return false;
    if (pid == 0) ::_exit(0);
    while (::waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) {}
    return pid > 0;
#else
    return false;
#endif
}

MAGNETAR_DECL pid_t fork_child(ChildOf whose, pid_t* made) noexcept {
#if MAGNETAR_FORK_TRAP
    unsigned long flags = whose == ChildOf::parent_of_this_process ? CLONE_PARENT : 0;
    if (made) flags |= CLONE_PARENT_SETTID;
    if (pid_t pid = -1; trapped_fork(flags, made, pid)) return pid;
#endif
    if (whose == ChildOf::parent_of_this_process) return clone_sibling(made);
    pid_t pid = ::fork();
    if (pid > 0 && made) *made = pid;
    return pid;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
