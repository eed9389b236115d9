#pragma once
#include <magnetar/loop/detail/spin_policy.hpp>

#include <sched.h>

#include <algorithm>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL bool several_cpus() noexcept {
    static const bool several = [] {
        cpu_set_t allowed;
        CPU_ZERO(&allowed);
        return sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) > 1;
    }();
    return several;
}

MAGNETAR_DECL void SpinPolicy::succeeded() noexcept {
    tries_ = 4;
    price_ = 1;
}

MAGNETAR_DECL void SpinPolicy::failed() noexcept {
    if (--tries_ > 0) return;
    price_ = std::min(2 * price_, 1024);
    paid_ = 0;
}

MAGNETAR_DECL void SpinPolicy::woken_after(LoopClock::duration slept) noexcept {
    // A partner that also sleeps needs two wake-ups to reply.
    if (tries_ > 0 || slept > 8 * longest_) return;
    if (++paid_ >= price_) tries_ = 1;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
