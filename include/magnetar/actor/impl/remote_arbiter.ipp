#pragma once

#include <magnetar/actor/remote_arbiter.hpp>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL Task<Json> RemoteArbiter::list() const { return ask("arbiter", "list", Json::array()); }
MAGNETAR_DECL Task<Json> RemoteArbiter::info() const { return ask("arbiter", "info", Json::array()); }
MAGNETAR_DECL Task<> RemoteArbiter::closed() const { return detail::RemoteLink::closed(link_); }
MAGNETAR_DECL bool RemoteArbiter::is_open() const noexcept { return link_ && link_->is_open(); }
MAGNETAR_DECL const std::string& RemoteArbiter::reason() const noexcept { return link_->reason(); }
MAGNETAR_DECL void RemoteArbiter::close() noexcept {
    if (link_) link_->close();
}

MAGNETAR_DECL Task<RemoteArbiter> connect_arbiter(std::string url, std::string token) {
    co_return RemoteArbiter(co_await detail::RemoteLink::connect(std::move(url), std::move(token)));
}

}  // namespace magnetar::inline MAGNETAR_MODE
