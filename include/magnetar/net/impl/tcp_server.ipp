#pragma once
#include <magnetar/net/tcp_server.hpp>

#include <sys/socket.h>

#include <cstddef>
#include <system_error>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/net/listening_socket.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL TcpServer& TcpServer::operator=(TcpServer&& other) noexcept {
    if (this != &other) {
        if (core_) core_->abandon();
        core_ = std::move(other.core_);
    }
    return *this;
}

template <class>
Task<> TcpServer::start_serving(std::string address) {
    detail::ServerCore::Ref core = core_;
    auto candidates = co_await resolve(std::move(address));
    ListenOptions options{core->options.backlog, core->options.reuse_port};
    for (std::size_t i = 0;; ++i) {
        try {
            core->begin(Listener::bind(candidates[i], options));
            co_return;
        } catch (const std::system_error&) {
            if (i + 1 == candidates.size()) throw;
        }
    }
}

template <class>
Task<> TcpServer::start_serving(Listener listener) {
    core_->begin(std::move(listener));
    co_return;
}

#if !MAGNETAR_HEADER_ONLY
template Task<> TcpServer::start_serving<void>(std::string address);
template Task<> TcpServer::start_serving<void>(Listener listener);
#endif

}  // namespace magnetar::inline MAGNETAR_MODE
