#pragma once
#include <algorithm>

#include <magnetar/app/application.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL Task<Json> ApplicationProxy::info() const {
    std::string name = name_;
    co_return co_await send(std::move(name), magnetar::info);
}
MAGNETAR_DECL Task<> ApplicationProxy::stop() const {
    std::string name = name_;
    co_await send(std::move(name), magnetar::stop);
}
MAGNETAR_DECL std::optional<ApplicationProxy> get_application(std::string_view name) {
    auto known = detail::known_applications();
    if (std::find(known.begin(), known.end(), name) == known.end()) return std::nullopt;
    return ApplicationProxy(std::string(name));
}

}  // namespace magnetar::inline MAGNETAR_MODE
