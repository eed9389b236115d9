#pragma once
#include <cstdint>

#include <magnetar/actor/messaging/outbox.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A waiter for an answer from another thread of this process, in a list of the waiting thread. A thread that
// hangs and is abandoned will never answer: then its waiters fail.
struct Outstanding : ListNode {
    explicit Outstanding(void (*f)(Outstanding&)) noexcept : lost(f) {}
    void (*lost)(Outstanding&);
    std::uint32_t awaited_loop = no_loop;  // of the thread that will answer
};

List<Outstanding>& outstanding();
void wait_for_loop(Outstanding& waiting, std::uint32_t loop) noexcept;

// Notifies all threads of this process that the loop of this door will never answer.
void give_up_loop(std::uint32_t loop);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
