#pragma once

#include <cstddef>
#include <string_view>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// A text that can be a template argument: `Command<"greet", greet_someone>`.
///
/// A structural type: two equal texts of the same length name the same specialisation. `N` counts the
/// terminating zero.
template <std::size_t N>
struct fixed_string {
    char text[N]{};

    /// From a literal; implicit, so that a literal can be a template argument.
    constexpr fixed_string(const char (&literal)[N]) noexcept {
        for (std::size_t i = 0; i < N; ++i) text[i] = literal[i];
    }

    /// The text without its terminating zero. As a template argument it lives as long as the program.
    constexpr std::string_view view() const noexcept { return {text, N - 1}; }

    constexpr std::size_t size() const noexcept { return N - 1; }

    constexpr bool operator==(const fixed_string&) const noexcept = default;
};

}  // namespace magnetar::inline MAGNETAR_MODE
