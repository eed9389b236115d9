#pragma once
#include <string>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Formats any type with a to_string, as "{}": the base of a fmt::formatter that needs only fmt/core.h.
struct ToStringFormatter {
    template <class Context>
    constexpr auto parse(Context& formatting) {
        return formatting.begin();
    }
    template <class T, class Context>
    auto format(const T& value, Context& formatting) const {
        auto out = formatting.out();
        for (char c : value.to_string()) *out++ = c;
        return out;
    }
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
