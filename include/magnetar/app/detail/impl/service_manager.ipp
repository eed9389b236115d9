#pragma once
#include <magnetar/app/detail/service_manager.hpp>

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/operation.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL ServiceManager::ServiceManager() {
    const char* path = std::getenv("NOTIFY_SOCKET");
    if (!path || (path[0] != '/' && path[0] != '@') || std::strlen(path) >= sizeof sockaddr_un::sun_path)
        return;
    path_ = path;
    if (path_[0] == '@') path_[0] = 0;
}

MAGNETAR_DECL void ServiceManager::tell(std::string state) {
    if (path_.empty()) return;
    bool waits = !kept_.empty();
    if (!waits && send(state) != Sent::full) return;
    kept_.push_back(std::move(state));
    if (!waits) EventLoop::require("tell the service manager").start(send_kept(*this), nullptr).detach();
}
MAGNETAR_DECL void ServiceManager::tell_again(const std::string& state) {
    if (!path_.empty() && kept_.empty()) send(state);
}

// Uses a connected socket, which can be polled. A refused send means that the manager has gone: another one
// may listen by the next call.
MAGNETAR_DECL ServiceManager::Sent ServiceManager::send(const std::string& state) noexcept {
    for (;;) {
        bool fresh = !fd_;
        if (fresh) {
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            std::memcpy(address.sun_path, path_.data(), path_.size());
            fd_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
            if (!fd_ || ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
                fd_.reset();
                return Sent::gone;
            }
        }
        if (::send(fd_.get(), state.data(), state.size(), MSG_NOSIGNAL) >= 0) return Sent::yes;
        if (errno == EAGAIN) return Sent::full;
        fd_.reset();
        if (fresh) return Sent::gone;
    }
}

MAGNETAR_DECL Task<> ServiceManager::send_kept(ServiceManager& self) {
    while (!self.kept_.empty()) {
        if (self.send(self.kept_.front()) != Sent::full) {
            self.kept_.pop_front();
            continue;
        }
        check(co_await submit(
                  "service manager",
                  [fd = self.fd_.get()](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLOUT); }),
              "poll of the service manager's socket");
    }
}

MAGNETAR_DECL void ServiceManager::finish() noexcept {
    auto end = LoopClock::now() + std::chrono::milliseconds(200);
    while (!kept_.empty()) {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(end - LoopClock::now()).count();
        pollfd waiting{fd_.get(), POLLOUT, 0};
        if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) == 0) break;
        if (send(kept_.front()) != Sent::full) kept_.pop_front();
    }
    kept_.clear();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
