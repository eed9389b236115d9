#pragma once
#include <cstdint>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// In which form this process writes to its links; see MAGNETAR_WIRE in docs/environment.md.
enum class WireForm : std::uint8_t { binary, json };
// That of the arbiter, which its forks inherit.
inline constinit WireForm wire_form = WireForm::binary;

// What MAGNETAR_WIRE asks for. Throws std::invalid_argument for another value than `binary` and `json`.
WireForm wanted_wire_form();

}  // namespace magnetar::inline MAGNETAR_MODE::detail
