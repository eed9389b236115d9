#pragma once
#include <magnetar/app/detail/held_signals.hpp>

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <utility>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace held_signals {

inline constexpr std::array all{SIGTERM, SIGINT, SIGHUP, SIGUSR1};
inline constexpr unsigned stops = 0b0011;
inline std::atomic<unsigned> came{0};  // a bit for each
inline std::array<struct sigaction, all.size()> before{};
inline bool held = false;

inline void keep(int signal) noexcept {
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i] != signal) continue;
        unsigned earlier = came.fetch_or(1u << i);
        if ((1u << i & stops) && (earlier & stops)) ::_exit(128 + signal);
    }
}
inline void restore() noexcept {
    if (!std::exchange(held, false)) return;
    for (std::size_t i = 0; i < all.size(); ++i) ::sigaction(all[i], &before[i], nullptr);
}

}  // namespace held_signals

MAGNETAR_DECL HeldSignals::HeldSignals() noexcept {
    using namespace held_signals;
    came = 0;
    held = true;
    struct sigaction action{};
    action.sa_handler = &keep;
    action.sa_flags = SA_RESTART;
    for (std::size_t i = 0; i < all.size(); ++i) {
        ::sigaction(all[i], nullptr, &before[i]);
        if (before[i].sa_handler != SIG_IGN) ::sigaction(all[i], &action, nullptr);
    }
}
MAGNETAR_DECL HeldSignals::~HeldSignals() { held_signals::restore(); }

MAGNETAR_DECL void HeldSignals::hand_over() noexcept {
    unsigned came = held_signals::came.exchange(0);
    for (std::size_t i = 0; i < held_signals::all.size(); ++i)
        if (came & 1u << i) ::raise(held_signals::all[i]);
}
MAGNETAR_DECL void HeldSignals::give_back() noexcept {
    held_signals::restore();
    hand_over();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
