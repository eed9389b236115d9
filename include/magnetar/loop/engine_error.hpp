#pragma once
#include <liburing.h>

#include <string>
#include <string_view>
#include <system_error>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// The value of kernel.io_uring_disabled (Linux 6.6), or -1 if it does not exist.
int io_uring_disabled() noexcept;

std::string engine_error_text(std::string_view operation, int error);

}  // namespace detail

/// No engine is available. The text contains the error, its most likely cause on this system, and the remedy;
/// `code()` is the errno.
class EngineError : public std::system_error {
public:
    EngineError(std::string_view operation, int error)
        : std::system_error(error, std::generic_category(), detail::engine_error_text(operation, error)) {}
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/engine_error.ipp>
#endif
