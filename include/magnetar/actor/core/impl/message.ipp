#pragma once
#include <magnetar/actor/core/message.hpp>

#include <utility>

#include <magnetar/base/detail/queue.hpp>
#include <magnetar/coro/outcome.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void CallMessage::fail(std::exception_ptr failure) noexcept {
    error = std::move(failure);
    answered();
}

MAGNETAR_DECL void Mailbox::set_bound(std::uint32_t capacity, Overflow policy) noexcept {
    capacity_ = capacity;
    policy_ = policy;
}

MAGNETAR_DECL bool Mailbox::remove(Message& message) noexcept {
    if (system_.remove(message)) return true;
    Message* after = message.next;
    if (!user_.remove(message)) return false;
    if (!message.waits_for_room) {
        taken();
    } else {
        --depth_;
        if (first_waiting_ == &message) first_waiting_ = after;
    }
    return true;
}

MAGNETAR_DECL void Mailbox::admit() noexcept {
    Message& next = *first_waiting_;
    first_waiting_ = next.next;
    next.waits_for_room = false;
    next.admitted();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
