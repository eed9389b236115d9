#pragma once
#include <magnetar/coro/detail/children.hpp>

#include <unistd.h>

#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL bool is_cancelled(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const Cancelled&) {
        return true;
    } catch (...) {
        return false;
    }
}

MAGNETAR_DECL bool Children::await_suspend(Suspension leaf) noexcept {
    if (park(leaf)) return true;
    // Cancelled before it waited: it must still wait for the cancelled children.
    withdraw_cancel();
    park(leaf);
    request_cancel();
    return true;
}

MAGNETAR_DECL void Children::await_resume() {
    check_cancelled();
    if (cancel_requested_) job()->cancel_next();
    if (rule_ == CancelRest::on_failure && failure_) std::rethrow_exception(failure_);
}

MAGNETAR_DECL void Children::cancel_children() noexcept {
    list_.for_each([](ChildBase& child) { child.cancel(); });
}

MAGNETAR_DECL void Children::stop() noexcept {
    stopped_ = true;
    cancel_children();
}

MAGNETAR_DECL void Children::ended(ChildBase& child) noexcept {
    child.TaggedNode<Children>::unlink();
    bool was_settled = settled();
    if (auto error = child.error(); error && ending() && is_cancelled(error)) {
        dropped_ = dropped_ || cancel_requested_;
    } else {
        if (!failure_) failure_ = error;
        if (!first_) first_ = &child;
    }
    if (!was_settled && settled()) cancel_children();
    child.forget();
    if (list_.empty() && job() && job()->waiting() == this)
        dropped_ && !settled() ? wake_cancelled() : wake();
}

MAGNETAR_DECL void Children::request_cancel() noexcept {
    cancel_requested_ = true;
    cancel_children();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
