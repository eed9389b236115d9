#pragma once
#include <doctest/doctest.h>
#include <liburing.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <magnetar/loop/engine.hpp>
#include <magnetar/loop/operation.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace magnetar::test {

/// Records its completions.
struct Recorder : Completion {
    Recorder()
        : Completion([](Completion& self, int r, unsigned f) { static_cast<Recorder&>(self).note(r, f); }) {}
    void note(int r, unsigned f) {
        results.push_back(r);
        last_flags = f;
    }
    bool more() const { return (last_flags & IORING_CQE_F_MORE) != 0; }
    std::vector<int> results;
    unsigned last_flags = 0;
};

inline constexpr auto nop = [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); };

/// Starts many operations from within a completion, three times over.
struct Breeder : Completion {
    explicit Breeder(Engine& e)
        : Completion([](Completion& self, int, unsigned) { static_cast<Breeder&>(self).told(); }),
          engine(e) {}
    void told() {
        if (++times > 3) return;
        for (auto& child : children) engine.submit(child, nop);
        engine.submit(*this, nop);
    }
    Engine& engine;
    std::vector<Recorder> children{40};
    int times = 0;
};

/// Waits until every operation has ended.
inline void finish(Engine& engine) {
    while (engine.in_flight() > 0) engine.wait(LoopClock::time_point::max());
}

inline bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// From now on the kernel answers this process's io_uring_setup with `error`, as the seccomp profile of a
/// container does.
inline void forbid_io_uring(int error) {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog filter{4, program};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        ::_exit(9);
}

}  // namespace magnetar::test
