#pragma once
#include <string>

#include <magnetar/config.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The tree of actors with figures, as --info prints it, from the program's answer to `info`.
std::string info_text(const Json& info);
// A duration in human-readable form: `3.2 s`, `5 min 3 s`, `2 d 4 h`.
std::string seconds_text(double seconds);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/info_text.ipp>
#endif
