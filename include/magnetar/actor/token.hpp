#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// A secret that clients present. The time of a comparison does not reveal how much of it is right, and it
/// cannot be formatted or logged.
class Token {
public:
    /// No token: matches nothing.
    Token() noexcept = default;
    explicit Token(std::string secret) noexcept : secret_(std::move(secret)) {}

    /// Whether there is one.
    explicit operator bool() const noexcept { return !secret_.empty(); }
    /// Whether `shown` is the secret. Takes the same time for all texts of one length.
    bool matches(std::string_view shown) const noexcept;

private:
    std::string secret_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
