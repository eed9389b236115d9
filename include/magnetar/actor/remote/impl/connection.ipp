#pragma once

#include <magnetar/actor/remote/connection.hpp>

#include <sys/random.h>

#include <algorithm>

#include <magnetar/base/log.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/timer.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A random time between half of `time` and all of it.
inline std::chrono::nanoseconds shaken(std::chrono::nanoseconds time) noexcept {
    std::uint16_t random = 0;
    (void)::getrandom(&random, sizeof random, 0);
    return time / 2 + std::chrono::nanoseconds(time.count() / 2 / 0xffff * random);
}

MAGNETAR_LAZY_BODY Task<RemoteConnection::Ref> RemoteConnection::open(std::string url, std::string token,
                                                                      ReconnectPolicy policy) {
    if (policy.backoff.count() < 0 || policy.max_backoff < policy.backoff)
        throw std::invalid_argument("reconnect: backoff must not be negative, nor above max_backoff");
    EventLoop& loop = EventLoop::require("connect_arbiter");
    auto link = co_await RemoteLink::connect(url, token);
    Ref connection(*new RemoteConnection(std::move(link), std::move(url), std::move(token), policy));
    connection->keeping_.emplace(loop.start(keep(connection), nullptr));
    co_return connection;
}

MAGNETAR_LAZY_BODY Task<> RemoteConnection::keep(Ref connection) {
    bool cancelled = false;
    try {
        do co_await RemoteLink::closed(connection->link_);
        while (!connection->closing_ && co_await connect_again(connection));
    } catch (const Cancelled&) {
        cancelled = true;
    }
    connection->over_.set();
    // Breaks a cycle: the job owns the connection, which owns the job.
    connection->keeping_.reset();
    if (cancelled) throw Cancelled();
}

MAGNETAR_LAZY_BODY Task<bool> RemoteConnection::connect_again(Ref connection) {
    auto& policy = connection->policy_;
    auto pause = policy.backoff;
    for (std::uint32_t attempt = 0; attempt < policy.attempts; ++attempt) {
        co_await sleep(shaken(pause));
        pause = pause > policy.max_backoff / 2 ? policy.max_backoff : pause * 2;
        try {
            connection->link_ = co_await RemoteLink::connect(connection->url_, connection->token_);
            co_return true;
        } catch (const PermissionDenied& error) {
            Logger("remote " + connection->url_).error("not reconnected: {}", error.what());
            co_return false;
        } catch (const std::exception& error) {
            Logger("remote " + connection->url_).info("not reconnected yet: {}", error.what());
        }
    }
    co_return false;
}

MAGNETAR_DECL void RemoteConnection::close() noexcept {
    if (std::exchange(closing_, true)) return;
    bool connected = link_->is_open();
    link_->close();
    if (!connected && keeping_) keeping_->cancel();  // the job may be waiting to connect again
}

MAGNETAR_LAZY_BODY Task<> RemoteConnection::closed(Ref connection) { co_await connection->over_.wait(); }

}  // namespace magnetar::inline MAGNETAR_MODE::detail
