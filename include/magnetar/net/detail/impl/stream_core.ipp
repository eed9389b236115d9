#pragma once
#include <magnetar/net/detail/buffer_ring.hpp>
#include <magnetar/net/detail/stream_core.hpp>

#include <fmt/core.h>

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/engine.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/signals.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL StreamCore::StreamCore(EventLoop& loop, UniqueFd fd, Kind kind, const SocketAddress& p)
    : Completion(&StreamCore::on_received),
      descriptor(loop, std::move(fd)),
      peer(p),
      buffers_(loop.local<BufferRing>()),
      kind_(kind) {}

MAGNETAR_DECL CompactAddress::CompactAddress(const SocketAddress& address) { set(address); }

MAGNETAR_DECL CompactAddress& CompactAddress::operator=(const SocketAddress& address) {
    if (size_ == is_long) delete elsewhere();
    size_ = 0;
    set(address);
    return *this;
}

MAGNETAR_DECL void CompactAddress::set(const SocketAddress& address) {
    if (address.size() > sizeof bytes_) {
        auto* elsewhere = new SocketAddress(address);
        std::memcpy(bytes_, &elsewhere, sizeof elsewhere);
        size_ = is_long;
    } else {
        std::memcpy(bytes_, address.data(), address.size());
        size_ = static_cast<unsigned char>(address.size());
    }
}

MAGNETAR_DECL SocketAddress CompactAddress::get() const noexcept {
    return size_ == is_long ? *elsewhere() : SocketAddress(reinterpret_cast<const sockaddr*>(bytes_), size_);
}

MAGNETAR_DECL SocketAddress* CompactAddress::elsewhere() const noexcept {
    SocketAddress* address = nullptr;
    std::memcpy(&address, bytes_, sizeof address);
    return address;
}

MAGNETAR_DECL StreamCore::Kind StreamCore::adopt(int fd) noexcept {
    if (VirtualSockets::of(fd)) return Kind::socket;
    if (int flags = ::fcntl(fd, F_GETFL); flags >= 0 && (flags & O_NONBLOCK))
        ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    struct stat status{};
    if (::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode)) return Kind::socket;
    survive_broken_pipes();
    return Kind::pipe;
}

MAGNETAR_DECL void StreamCore::release() noexcept {
    close();
    if (view_) buffers_.give_back(*view_);
    released_ = true;
    if (!receiving_) delete this;
}

MAGNETAR_DECL std::string StreamCore::name() const {
    SocketAddress address = peer.get();
    if (!address) return fmt::format("fd {}", descriptor.get());
    if (address.is_unix() && address.path().empty())
        return fmt::format("a unix socket (fd {})", descriptor.get());
    return address.to_string();
}

MAGNETAR_DECL bool StreamCore::readable() noexcept {
    if (view_ && offset_ < view_->size) return true;
    if (view_) buffers_.give_back(*std::exchange(view_, nullptr));
    return first_ || at_end();
}

MAGNETAR_DECL ReadData StreamCore::take() {
    if (!view_) {
        if (!first_) {
            if (error_) fail(error_, "read");
            return {};
        }
        view_ = std::exchange(first_, first_->next);
        if (buffers_.scarce()) view_ = &buffers_.moved_out(*view_);
        offset_ = 0;
        --unread_;
        if (!first_) TaggedNode<Unread>::unlink();
    }
    ReadData data(view_->data + offset_, view_->size - offset_);
    offset_ = view_->size;
    return data;
}

MAGNETAR_DECL void StreamCore::receive() noexcept {
    if (receiving_ || ended_ || TaggedNode<Bufferless>::linked()) return;
    receiving_ = true;
    stopping_ = false;
    multishot_ = is_socket() && buffers_.multishot;
    buffers_.make_first();
    descriptor.loop().engine().submit(
        *this, [&](io_uring_sqe* sqe) { buffers_.prepare(sqe, descriptor.get(), is_socket()); });
}

MAGNETAR_DECL void StreamCore::receive_again() noexcept {
    promised_ = true;
    receive();
}

MAGNETAR_DECL void StreamCore::poll() noexcept {
    receiving_ = polling_ = true;
    stopping_ = false;
    descriptor.loop().engine().submit(
        *this, [&](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, descriptor.get(), POLLIN); });
}

MAGNETAR_DECL void StreamCore::stop_receiving() noexcept {
    if (receiving_ && !std::exchange(stopping_, true)) descriptor.loop().engine().cancel(*this);
}

MAGNETAR_DECL void StreamCore::keep(Chunk& chunk) noexcept {
    (first_ ? last_->next : first_) = &chunk;
    last_ = &chunk;
    ++unread_;
    bytes_in += chunk.size;
    note_activity();
    if (reader_ && unread_ == 1) return;
    buffers_.has_unread(*this);
    if (unread_ >= most_unread) stop_receiving();
}

MAGNETAR_DECL void StreamCore::give_up_buffers() noexcept {
    for (Chunk** link = &first_; *link; link = &(*link)->next) *link = last_ = &buffers_.moved_out(**link);
}

MAGNETAR_DECL bool Read::await_ready() {
    EventLoop::require("read");
    if (core_->reader_) throw std::logic_error("read of a stream that another coroutine is reading");
    return core_->readable();
}

MAGNETAR_DECL bool Read::await_suspend(Suspension leaf) noexcept {
    if (!park(leaf)) return false;
    reading_ = true;
    core_->reader_ = this;
    core_->receive_or_end();
    return true;
}

MAGNETAR_DECL ReadData Read::await_resume() {
    check_cancelled();
    if (!core_) throw_system_error(ECANCELED, "read", "a stream that was closed");
    if (reading_) leave();
    return core_->take();
}

MAGNETAR_DECL void Read::closed() noexcept {
    reading_ = false;
    core_ = nullptr;
    go_on();
}

MAGNETAR_DECL void Read::leave() noexcept {
    reading_ = false;
    core_->reader_ = nullptr;
}

MAGNETAR_DECL void Read::request_cancel() noexcept {
    leave();
    core_->TaggedNode<Bufferless>::unlink();  // without a reader it must not be given a buffer
    woken_ = true;
    wake_cancelled();
}

MAGNETAR_DECL void StreamCore::close() noexcept {
    if (!descriptor) return;
    stop_receiving();
    TaggedNode<Bufferless>::unlink();
    descriptor.close();
    ended_ = true;
    writing = false;
    error_ = EBADF;
    TaggedNode<Unread>::unlink();
    while (first_) buffers_.give_back(*std::exchange(first_, first_->next));
    if (reader_) std::exchange(reader_, nullptr)->closed();
}

MAGNETAR_DECL bool StreamCore::at_end() const noexcept {
    return ended_ || (is_dismissed() && !receiving_ && !detail::readable(descriptor.get()));
}

MAGNETAR_DECL void StreamCore::drain() noexcept {
    draining_ = true;
    if (reader_) receive_or_end();
}

MAGNETAR_DECL void StreamCore::receive_or_end() noexcept {
    // Bytes that the engine has already received are delivered before its operation ends.
    if (is_dismissed() && receiving_) stop_receiving();
    else if (at_end()) reader_->go_on();
    else receive();
}

MAGNETAR_DECL void StreamCore::received(int result, unsigned flags) noexcept {
    receiving_ = (flags & IORING_CQE_F_MORE) != 0;
    bool buffer = (flags & IORING_CQE_F_BUFFER) != 0;
    if (buffer) {
        promised_ = false;
        Chunk& chunk = buffers_.take(result, flags);
        if (result > 0 && descriptor) keep(chunk);
        else buffers_.give_back(chunk);
    } else if (!receiving_ && !polling_ && result != -ENOBUFS) {
        buffers_.wake_one();
    }
    if (!descriptor) {
        if (released_ && !receiving_) delete this;
        return;
    }
    if (std::exchange(polling_, false)) {
        if (reader_ && result != -ECANCELED) return buffers_.wait_for_buffer(*this, promised_);
    } else if (result == 0) {
        ended_ = true;
    }
    if (result < 0) receive_failed(-result);
    if (!reader_) return;
    if (first_ || at_end()) reader_->go_on();
    else receive();
}

MAGNETAR_DECL void StreamCore::receive_failed(int error) noexcept {
    switch (error) {
        case ENOBUFS:  // says nothing about available data
        case EAGAIN:
            return poll();
        case ECANCELED:  // requested by stop_receiving
        case EINTR:
            return;
        case EINVAL:
            if (multishot_) {  // the kernel has no multishot receive
                buffers_.multishot = false;
                return receive();
            }
            [[fallthrough]];
        default:
            error_ = error;
            ended_ = true;
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
