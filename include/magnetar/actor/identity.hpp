#pragma once
#include <fmt/core.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <magnetar/base/detail/formatter.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

template <class State = void>
class Actor;

/// Where an actor lives: in a process of its own, on a thread of its spawner's process, or on its
/// spawner's loop.
enum class Concurrency : std::uint8_t { process, thread, coroutine };

/// The states of an actor's life, in order.
enum class Lifecycle : std::uint8_t { initial, starting, running, stopping, closed, terminated };

std::string_view to_string(Concurrency kind) noexcept;
std::string_view to_string(Lifecycle life) noexcept;

/// An actor's identity: 64 bits, unique in the application for as long as it runs, printed as 16 hex digits;
/// the arbiter's is printed `arbiter`.
struct ActorId {
    std::uint64_t value = 0;

    static constexpr ActorId arbiter() noexcept { return {1}; }
    explicit operator bool() const noexcept { return value != 0; }
    auto operator<=>(const ActorId&) const = default;

    std::string to_string() const;
    /// Parses what to_string writes; nullopt for any other text.
    static std::optional<ActorId> parse(std::string_view text) noexcept;
};

}  // namespace magnetar::inline MAGNETAR_MODE

template <>
struct fmt::formatter<magnetar::ActorId> : magnetar::detail::ToStringFormatter {};
