#pragma once
#include <magnetar/link/transport.hpp>

#include <liburing.h>
#include <poll.h>

#include <cerrno>
#include <cstdint>
#include <exception>

#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/detail/descriptor.hpp>
#include <magnetar/net/detail/fd_passing.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Transport::Flush::Flush(Transport& t) noexcept
    : TurnHook([](TurnHook& hook) { static_cast<Flush&>(hook).transport.flush(); }), transport(t) {}

MAGNETAR_DECL Transport::Transport(EventLoop& loop, UniqueFd fd)
    : loop_(loop), fd_(std::move(fd)), flush_(*this) {}

MAGNETAR_DECL void Transport::shut_down() noexcept {
    ending_ = true;
    drained_.set();
    if (fd_) detail::shut_down(fd_.get());
}

MAGNETAR_DECL void Transport::flush() noexcept {
    while (fd_ && !blocked_.is_set() && sent_ < out_.size()) {
        bool with_descriptor = !passing_.empty();
        std::size_t end = with_descriptor ? passing_.front().end : out_.size();
        DescriptorMessage message(out_.data() + sent_, end - sent_);
        if (with_descriptor && passing_.front().fd) message.attach({&passing_.front().fd, 1});
        else message.attach_none();
        auto n = send_now(fd_.get(), message.message);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) blocked_.set();
            else shut_down();  // the peer is gone; this also ends the reader here
            break;
        }
        sent_ += static_cast<std::size_t>(n);
        written_ += static_cast<std::size_t>(n);
        if (!with_descriptor) continue;
        passing_.front().fd.reset();
        if (sent_ == end) passing_.pop_front();
    }
    if (unsent() <= most_unsent_ / 2) drained_.set();
    if (sent_ < out_.size() / 2) return;
    out_.drop(sent_);
    for (Passing& one : passing_) one.end -= sent_;
    sent_ = 0;
}

MAGNETAR_DECL Task<> Transport::run(Receiver& receiver) {
    Job<> writer = loop_.start(write_on(), nullptr);
    std::exception_ptr error;
    try {
        co_await read(receiver);
    } catch (const std::exception&) {
        error = std::current_exception();
    }
    writer.cancel();
    shut_down();
    co_await writer;
    if (error) std::rethrow_exception(error);
}

MAGNETAR_DECL Task<> Transport::write_on() {
    for (;;) {
        co_await blocked_.wait();
        co_await submit("link write",
                        [fd = fd_.get()](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLOUT); });
        blocked_.clear();
        flush();
    }
}

MAGNETAR_DECL Task<> Transport::read(Receiver& receiver) {
    std::vector<std::byte> buffer(std::size_t{64} << 10);
    for (;;) {
        DescriptorMessage message(buffer.data(), buffer.size());
        int got = co_await submit("link read", [fd = fd_.get(), m = &message.message](io_uring_sqe* sqe) {
            io_uring_prep_recvmsg(sqe, fd, m, MSG_CMSG_CLOEXEC);
        });
        if (got == -ECONNRESET) got = 0;
        if (check(got, "recvmsg", "link") == 0) co_return;
        auto descriptors = message.received();
        if (descriptors.empty() && (message.message.msg_flags & MSG_CTRUNC)) descriptors.emplace_back();
        if (!receiver.received({buffer.data(), static_cast<std::size_t>(got)}, std::move(descriptors)))
            co_return;
        if (unsent() > most_unsent_) co_await drained();
    }
}

MAGNETAR_DECL Task<> Transport::drained() {
    for (std::size_t before = SIZE_MAX; !ending_ && unsent() > most_unsent_ / 2; before = written_) {
        if (before == written_)
            throw FrameError(CloseCode::policy_violation, "link: the peer does not read its replies");
        drained_.clear();
        co_await wait_for(drained_, patience_);
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
