#pragma once
#include <magnetar/net/listener.hpp>

#include <fmt/core.h>

#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>
#include <system_error>

#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/detail/spin_policy.hpp>
#include <magnetar/loop/detail/timer_heap.hpp>
#include <magnetar/loop/engine.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/loop_handle.hpp>
#include <magnetar/net/address.hpp>
#include <magnetar/net/detail/descriptor.hpp>
#include <magnetar/net/detail/stream_core.hpp>
#include <magnetar/net/listening_socket.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL ListenerCore::ListenerCore(EventLoop& loop, UniqueFd fd, const SocketAddress& a)
    : Completion([](Completion& self, int result, unsigned flags) {
          static_cast<ListenerCore&>(self).ended(result, flags);
      }),
      Timer([](Timer& self) { static_cast<ListenerCore&>(self).accept(); }),
      descriptor(loop, std::move(fd)),
      address(a) {}

MAGNETAR_DECL void ListenerCore::release() noexcept {
    close();
    released_ = true;
    if (!accepting_) delete this;
}

MAGNETAR_DECL void ListenerCore::accept() noexcept {
    descriptor.loop().disarm(*this);
    if (!accepting_ && !finishing_ && descriptor) submit(multishot_);
}

MAGNETAR_DECL void ListenerCore::submit(bool multishot) noexcept {
    accepting_ = true;
    stopping_ = false;
    descriptor.loop().engine().submit(*this, [&](io_uring_sqe* sqe) {
        if (multishot) io_uring_prep_multishot_accept(sqe, descriptor.get(), nullptr, nullptr, SOCK_CLOEXEC);
        else io_uring_prep_accept(sqe, descriptor.get(), nullptr, nullptr, SOCK_CLOEXEC);
    });
}

MAGNETAR_DECL void ListenerCore::stop() noexcept {
    if (accepting_ && !std::exchange(stopping_, true)) descriptor.loop().engine().cancel(*this);
}

MAGNETAR_DECL bool Accept::await_ready() {
    EventLoop::require("accept");
    if (!core_->ahead_.empty()) {
        fd_ = std::move(core_->ahead_.back());
        core_->ahead_.pop_back();
        return true;
    }
    error_ = !core_->descriptor ? EBADF : core_->finished() ? ECANCELED : std::exchange(core_->error_, 0);
    return error_ != 0;
}

MAGNETAR_DECL bool Accept::await_suspend(Suspension leaf) noexcept {
    if (!wait_in(core_->waiting_, *this, leaf)) return false;
    if (!core_->Timer::armed()) core_->accept();
    return true;
}

MAGNETAR_DECL Stream Accept::await_resume() {
    check_cancelled();
    if (error_)
        throw_system_error(error_, "accept",
                           core_ ? core_->address.to_string() : "a listener that was closed");
    SocketAddress peer = SocketAddress::of_peer(fd_.get());
    return Stream(std::move(fd_), peer);
}

MAGNETAR_DECL void Accept::take(UniqueFd fd) noexcept {
    fd_ = std::move(fd);
    grant();
}

MAGNETAR_DECL void Accept::fail(int error, ListenerCore* core) noexcept {
    error_ = error;
    core_ = core;
    grant();
}

MAGNETAR_DECL void ListenerCore::close() noexcept {
    if (!descriptor) return;
    stop();
    descriptor.loop().disarm(*this);
    bound_path.reset();
    descriptor.close();
    ahead_.clear();
    fail_waiting(nullptr);
}

MAGNETAR_DECL void ListenerCore::finish() noexcept {
    finishing_ = true;
    descriptor.loop().disarm(*this);
    stop();
    if (finished()) fail_waiting(this);
}

MAGNETAR_DECL void ListenerCore::ended(int result, unsigned flags) noexcept {
    accepting_ = (flags & IORING_CQE_F_MORE) != 0;
    UniqueFd fd(result);
    if (descriptor) {
        if (result >= 0) accepted(std::move(fd));
        else failed(-result);
        if (!finished()) return;
        // The kernel wakes one of the waiters of a socket. If that was this listener while it was finishing,
        // it must accept the connection: no other waiter is notified of it.
        if (readable(descriptor.get())) {
            submit(false);
            stop();
        } else {
            fail_waiting(this);
        }
    } else if (released_ && !accepting_) {
        delete this;
    }
}

MAGNETAR_DECL void ListenerCore::accepted(UniqueFd fd) noexcept {
    if (Accept* waiter = waiting_.pop_front()) waiter->take(std::move(fd));
    else ahead_.insert(ahead_.begin(), std::move(fd));
    if (!waiting_.empty()) accept();
    else if (ahead_.size() >= most_ahead) stop();
}

MAGNETAR_DECL void ListenerCore::failed(int error) noexcept {
    switch (error) {
        case ECANCELED:
            break;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            if (auto now = descriptor.loop().now(); now >= silent_until_) {
                silent_until_ = now + complain_every;
                Logger("accept " + address.to_string())
                    .error("{}: no connections are accepted until descriptors or memory are free",
                           std::generic_category().message(error));
            }
            descriptor.loop().arm(*this, descriptor.loop().now() + pause);
            return;
        case EINVAL:
            if (std::exchange(multishot_, false)) break;
            [[fallthrough]];
        case EBADF:
        case ENOTSOCK:
        case EOPNOTSUPP:
        case EFAULT:
            if (Accept* waiter = waiting_.pop_front()) waiter->fail(error, this);
            else error_ = error;
            break;
        default:
            break;  // an error of that connection alone, see accept(2)
    }
    if (!waiting_.empty()) accept();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL Listener Listener::bind(const SocketAddress& address, ListenOptions options) {
    EventLoop& loop = EventLoop::require("listen");
    detail::BoundPath path;
    Listener listener(loop, open_and_listen(address, options, path));
    listener.core_->bound_path = std::move(path);
    return listener;
}

MAGNETAR_DECL Listener::Listener(UniqueFd listening)
    : Listener(EventLoop::require("listen"), std::move(listening)) {}

MAGNETAR_DECL Listener::Listener(Listener&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}

MAGNETAR_DECL Listener& Listener::operator=(Listener&& other) noexcept {
    if (this != &other) {
        if (core_) core_->release();
        core_ = std::exchange(other.core_, nullptr);
    }
    return *this;
}

MAGNETAR_DECL Listener::Listener(EventLoop& loop, UniqueFd fd) {
    // io_uring waits in the kernel only for a blocking socket. An engine that calls accept(2) itself must not
    // block: another process may accept the connection first.
    if (!loop.engine().tries_itself()) detail::StreamCore::adopt(fd.get());
    SocketAddress address = SocketAddress::of_socket(fd.get());
    core_ = new detail::ListenerCore(loop, std::move(fd), address);
}

MAGNETAR_DECL detail::ListenerCore& Listener::core() const {
    if (!core_) throw std::logic_error("use of a listener that was moved from");
    return *core_;
}

MAGNETAR_DECL UniqueFd Listener::open_and_listen(const SocketAddress& address, const ListenOptions& options,
                                                 detail::BoundPath& path) {
    if (options.backlog < 0)
        throw std::invalid_argument(fmt::format("a backlog of {}: must not be negative", options.backlog));
    UniqueFd fd = open(address, options);
    detail::bind_to(fd.get(), address);
    path = detail::BoundPath(address);
    if (detail::listen_on_socket(fd.get(), options.backlog) != 0) {
        int error = errno;
        path.reset();
        throw_system_error(error, "listen", address.to_string());
    }
    return fd;
}

MAGNETAR_DECL UniqueFd Listener::open(const SocketAddress& address, const ListenOptions& options) {
    UniqueFd fd(detail::open_stream_socket(address.family()));
    if (!fd) throw_system_error(errno, "listen", address.to_string());
    if (VirtualSockets::of(fd.get())) return fd;
    int on = 1;
    if (address.is_ip()) {
        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
    }
    // Before bind creates the file, so that no client connects with other permissions (Linux, see unix(7)).
    if (options.mode != 0 && address.is_unix() && ::fchmod(fd.get(), options.mode) != 0)
        throw_system_error(errno, "fchmod", address.to_string());
    if (options.reuse_port && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        throw_system_error(errno, "SO_REUSEPORT", address.to_string());
    return fd;
}

MAGNETAR_DECL Listener::Listener(const ListeningSocket& socket) : Listener(socket.duplicate()) {
    core_->bound_path = socket.path_;
    // The kernel wakes the longest waiter; a listener with a multishot accept would always be that one.
    core_->accept_singly();
}

}  // namespace magnetar::inline MAGNETAR_MODE
