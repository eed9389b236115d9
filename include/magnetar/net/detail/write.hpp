#pragma once
#include <cstddef>

#include <magnetar/config.hpp>
#include <magnetar/net/detail/stream_core.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Writes a whole block of memory.
class [[nodiscard("a write starts when it is awaited: co_await it")]] Write final
    : public DescriptorOperation {
public:
    Write(StreamCore& core, const char* data, std::size_t size) noexcept
        : DescriptorOperation("write", core.descriptor), core_(&core), data_(data), left_(size) {}

    bool await_ready();
    bool await_suspend(Suspension leaf) noexcept;
    void await_resume();

private:
    void prepare(io_uring_sqe* sqe, int fd) noexcept override;
    bool unfinished(int sent) noexcept override;
    void ended() noexcept override { core_->writing = false; }

    StreamCore* core_;
    const char* data_;
    std::size_t left_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/write.ipp>
#endif
