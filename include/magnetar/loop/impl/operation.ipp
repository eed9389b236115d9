#pragma once
#include <magnetar/loop/operation.hpp>

#include <liburing.h>

#include <cerrno>
#include <utility>

#include <magnetar/base/errors.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL bool detail::OperationBase::await_ready() const {
    EventLoop::require("an operation");
    return false;
}

MAGNETAR_DECL int detail::OperationBase::await_resume() {
    check_cancelled();
    if (cancel_requested_) job()->cancel_next();
    return result_;
}

MAGNETAR_DECL void detail::OperationBase::ended(Completion& completion, int result, unsigned flags) {
    auto& self = static_cast<OperationBase&>(completion);
    // The second completion of a zero-copy send only reports that the buffer is free.
    if (!(flags & IORING_CQE_F_NOTIF)) self.result_ = result;
    if (flags & IORING_CQE_F_MORE) return;
    // The kernel uses a signal to cancel an operation on one of its worker threads: -EINTR.
    if (self.cancel_requested_ && (self.result_ == -ECANCELED || self.result_ == -EINTR))
        self.wake_cancelled();
    else self.wake();
}

MAGNETAR_DECL void detail::OperationBase::request_cancel() noexcept {
    if (!std::exchange(cancel_requested_, true)) engine().cancel(*this);
}

MAGNETAR_DECL int check(int result, std::string_view operation, std::string_view object) {
    if (result < 0) throw_system_error(-result, operation, object);
    return result;
}

}  // namespace magnetar::inline MAGNETAR_MODE
