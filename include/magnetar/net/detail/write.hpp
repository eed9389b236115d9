#pragma once
#include <algorithm>

#include <magnetar/config.hpp>
#include <magnetar/net/detail/stream_core.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Writes all of a piece of memory.
class [[nodiscard("a write starts when it is awaited: co_await it")]] Write final
    : public DescriptorOperation {
public:
    Write(StreamCore& core, const char* data, std::size_t size) noexcept
        : DescriptorOperation("write", core.descriptor), core_(&core), data_(data), left_(size) {}

    bool await_ready() {
        if (core_->writing) throw std::logic_error("write to a stream that another coroutine is writing to");
        return DescriptorOperation::await_ready() || left_ == 0;
    }
    bool await_suspend(Suspension leaf) noexcept {
        if (!DescriptorOperation::await_suspend(leaf)) return false;
        core_->writing = true;
        return true;
    }
    void await_resume() {
        int result = finish();
        if (result >= 0) [[likely]]
            return;
        if (result == -ECANCELED) throw_system_error(ECANCELED, "write", "a stream that was closed");
        core_->fail(-result, "write");
    }

private:
    void prepare(io_uring_sqe* sqe, int fd) noexcept override {
        auto size = static_cast<unsigned>(std::min<std::size_t>(left_, 1U << 30));
        // With MSG_WAITALL the kernel itself goes on after a short send.
        if (core_->is_socket()) io_uring_prep_send(sqe, fd, data_, size, MSG_NOSIGNAL | MSG_WAITALL);
        else io_uring_prep_write(sqe, fd, data_, size, static_cast<__u64>(-1));
    }
    bool unfinished(int sent) noexcept override {
        data_ += sent;
        left_ -= static_cast<std::size_t>(sent);
        if (descriptor()) {
            core_->bytes_out += static_cast<std::uint64_t>(sent);
            core_->note_activity();
        }
        return left_ > 0;
    }
    void ended() noexcept override { core_->writing = false; }

    StreamCore* core_;
    const char* data_;
    std::size_t left_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
