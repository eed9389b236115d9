#pragma once
#include <magnetar/net/detail/write.hpp>

#include <liburing.h>

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <stdexcept>

#include <magnetar/base/errors.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/net/detail/descriptor.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL bool Write::await_ready() {
    if (core_->writing) throw std::logic_error("write to a stream that another coroutine is writing to");
    return DescriptorOperation::await_ready() || left_ == 0;
}

MAGNETAR_DECL bool Write::await_suspend(Suspension leaf) noexcept {
    if (!DescriptorOperation::await_suspend(leaf)) return false;
    core_->writing = true;
    return true;
}

MAGNETAR_DECL void Write::await_resume() {
    int result = finish();
    if (result >= 0) [[likely]]
        return;
    if (result == -ECANCELED) throw_system_error(ECANCELED, "write", "a stream that was closed");
    core_->fail(-result, "write");
}

MAGNETAR_DECL void Write::prepare(io_uring_sqe* sqe, int fd) noexcept {
    auto size = static_cast<unsigned>(std::min<std::size_t>(left_, 1U << 30));
    // With MSG_WAITALL the kernel itself continues after a short send.
    if (core_->is_socket()) io_uring_prep_send(sqe, fd, data_, size, MSG_NOSIGNAL | MSG_WAITALL);
    else io_uring_prep_write(sqe, fd, data_, size, static_cast<__u64>(-1));
}

MAGNETAR_DECL bool Write::unfinished(int sent) noexcept {
    data_ += sent;
    left_ -= static_cast<std::size_t>(sent);
    if (descriptor()) {
        core_->bytes_out += static_cast<std::uint64_t>(sent);
        core_->note_activity();
    }
    return left_ > 0;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
