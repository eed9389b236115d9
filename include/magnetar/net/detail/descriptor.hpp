#pragma once
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/engine.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

class Descriptor;

// Closes through the engine, after the entries that name the descriptor and are not yet submitted: its number
// must not be reused for another file before.
void close_by_loop(EventLoop& loop, int fd) noexcept;

// An operation on a Descriptor. It ends with -ECANCELED when the descriptor is closed meanwhile.
class DescriptorOperation : public Waiter, protected Completion, public ListNode {
public:
    DescriptorOperation(const char* name, Descriptor& descriptor) noexcept
        : Completion(&DescriptorOperation::on_completion), descriptor_(&descriptor), name_(name) {}
    DescriptorOperation(DescriptorOperation&& other) noexcept
        : Waiter(std::move(other)), Completion(other), descriptor_(other.descriptor_), name_(other.name_) {}

    std::string_view what() const noexcept override { return name_; }
    bool await_ready();
    bool await_suspend(Suspension leaf) noexcept;

    // The descriptor is being closed, and may be destroyed before the operation ends.
    void close_under() noexcept;

protected:
    ~DescriptorOperation() = default;
    virtual void prepare(io_uring_sqe* sqe, int fd) noexcept = 0;
    // True when more remains to be done after this result, which is positive.
    virtual bool unfinished(int) noexcept { return false; }
    // Called at the end of the operation, unless the descriptor was closed.
    virtual void ended() noexcept {}

    int finish();
    Descriptor* descriptor() const noexcept { return descriptor_; }

private:
    EventLoop& loop() const noexcept { return static_cast<EventLoop&>(job()->scheduler()); }
    void submit() noexcept;
    static void on_completion(Completion& completion, int result, unsigned);
    void end_early() noexcept {
        if (!std::exchange(ending_, true)) loop().engine().cancel(*this);
    }
    void request_cancel() noexcept override;

    Descriptor* descriptor_;
    const char* name_;
    int result_ = 0;
    bool cancel_requested_ = false, ending_ = false;
};

// A file descriptor whose operations run on one loop. Not movable: operations point to it.
class Descriptor {
public:
    Descriptor(EventLoop& loop, UniqueFd fd) noexcept : loop_(&loop), fd_(std::move(fd)) {}
    ~Descriptor() { close(); }

    EventLoop& loop() const noexcept { return *loop_; }
    int get() const noexcept { return fd_.get(); }
    explicit operator bool() const noexcept { return bool(fd_); }

    // Ends the operations in flight, and closes.
    void close() noexcept;

private:
    friend class DescriptorOperation;
    EventLoop* loop_;
    UniqueFd fd_;
    List<DescriptorOperation> operations_;
};

// The counterpart of submit() for a Descriptor: returns the result, negative (-errno) on failure.
template <class Prep>
class [[nodiscard("an operation starts when it is awaited: co_await it")]] On final
    : public DescriptorOperation {
    static_assert(std::is_trivially_destructible_v<Prep>);

public:
    On(const char* name, Descriptor& descriptor, Prep prep) noexcept
        : DescriptorOperation(name, descriptor), prep_(prep) {}
    int await_resume() { return finish(); }

private:
    void prepare(io_uring_sqe* sqe, int fd) noexcept override { prep_(sqe, fd); }
    Prep prep_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/descriptor.ipp>
#endif
