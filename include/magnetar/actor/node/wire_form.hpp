#pragma once
#include <cstdint>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The form of the messages that this process writes to its links; see MAGNETAR_WIRE in docs/environment.md.
enum class WireForm : std::uint8_t { binary, json };
// The arbiter sets it, and its forks inherit it.
inline constinit WireForm wire_form = WireForm::binary;

// The form that MAGNETAR_WIRE selects. Throws std::invalid_argument for another value than `binary` and
// `json`.
WireForm wanted_wire_form();

}  // namespace magnetar::inline MAGNETAR_MODE::detail
