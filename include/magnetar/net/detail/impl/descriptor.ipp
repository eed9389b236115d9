#pragma once
#include <magnetar/net/detail/descriptor.hpp>

#include <liburing.h>

#include <unistd.h>

#include <cerrno>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/loop/operation.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void close_by_loop(EventLoop& loop, int fd) noexcept {
    struct Close : Completion, Pooled {
        Close() noexcept
            : Completion([](Completion& self, int, unsigned) { delete static_cast<Close*>(&self); }) {}
    };
    loop.engine().submit(*new Close, [fd](io_uring_sqe* sqe) { io_uring_prep_close(sqe, fd); });
}

MAGNETAR_DECL void DescriptorOperation::close_under() noexcept {
    unlink();
    descriptor_ = nullptr;
    end_early();
}

MAGNETAR_DECL int DescriptorOperation::finish() {
    check_cancelled();
    if (cancel_requested_) job()->cancel_next();
    return result_;
}

MAGNETAR_DECL void DescriptorOperation::on_completion(Completion& completion, int result, unsigned) {
    auto& self = static_cast<DescriptorOperation&>(completion);
    self.result_ = result;
    if (result > 0 && self.unfinished(result)) {
        if (!self.ending_) return self.submit();
        self.result_ = -ECANCELED;
    }
    self.unlink();
    if (self.descriptor_) self.ended();
    if (self.cancel_requested_ && (self.result_ == -ECANCELED || self.result_ == -EINTR))
        self.wake_cancelled();
    else self.wake();
}

MAGNETAR_DECL void DescriptorOperation::request_cancel() noexcept {
    cancel_requested_ = true;
    end_early();
}

MAGNETAR_DECL void Descriptor::close() noexcept {
    if (!fd_) return;
    operations_.for_each([](DescriptorOperation& operation) { operation.close_under(); });
    close_by_loop(*loop_, fd_.release());
}

MAGNETAR_DECL bool DescriptorOperation::await_ready() {
    EventLoop::require("an operation");
    if (*descriptor_) return false;
    result_ = -EBADF;
    return true;
}

MAGNETAR_DECL bool DescriptorOperation::await_suspend(Suspension leaf) noexcept {
    if (!park(leaf)) return false;
    descriptor_->operations_.push_back(*this);
    submit();
    return true;
}

MAGNETAR_DECL void DescriptorOperation::submit() noexcept {
    loop().engine().submit(*this, [&](io_uring_sqe* sqe) { prepare(sqe, descriptor_->get()); });
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
