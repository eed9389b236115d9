#pragma once

#include <magnetar/actor/remote_arbiter.hpp>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_LAZY_BODY Task<Json> RemoteArbiter::list() const { return ask("arbiter", "list", Json::array()); }
MAGNETAR_LAZY_BODY Task<Json> RemoteArbiter::info() const { return ask("arbiter", "info", Json::array()); }
MAGNETAR_LAZY_BODY Task<> RemoteArbiter::closed() const {
    return detail::RemoteConnection::closed(connection_);
}
MAGNETAR_DECL bool RemoteArbiter::is_open() const noexcept { return connection_ && link()->is_open(); }
MAGNETAR_DECL const std::string& RemoteArbiter::reason() const noexcept { return link()->reason(); }
MAGNETAR_DECL void RemoteArbiter::close() noexcept {
    if (connection_) connection_->close();
}

MAGNETAR_LAZY_BODY Task<RemoteArbiter> connect_arbiter(std::string url, std::string token,
                                                       ReconnectPolicy reconnect) {
    co_return RemoteArbiter(
        co_await detail::RemoteConnection::open(std::move(url), std::move(token), reconnect));
}

}  // namespace magnetar::inline MAGNETAR_MODE
