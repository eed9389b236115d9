#pragma once
#include <magnetar/actor/identity.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL std::string_view to_string(Concurrency kind) noexcept {
    constexpr std::string_view names[] = {"process", "thread", "coroutine"};
    return names[static_cast<int>(kind)];
}

MAGNETAR_DECL std::string_view to_string(Lifecycle life) noexcept {
    constexpr std::string_view names[] = {"initial",  "starting", "running",
                                          "stopping", "closed",   "terminated"};
    return names[static_cast<int>(life)];
}

MAGNETAR_DECL std::string ActorId::to_string() const {
    return *this == arbiter() ? "arbiter" : fmt::format("{:016x}", value);
}

MAGNETAR_DECL std::optional<ActorId> ActorId::parse(std::string_view text) noexcept {
    if (text == "arbiter") return arbiter();
    if (text.size() != 16) return std::nullopt;
    ActorId id;
    for (char c : text) {
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return std::nullopt;
        id.value = id.value << 4 | static_cast<unsigned>(digit);
    }
    return id;
}

}  // namespace magnetar::inline MAGNETAR_MODE
