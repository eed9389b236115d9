#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// An exception on the wire. The framework's errors keep their type at the other end; other exceptions, and
// Cancelled and ActorExit, become a RemoteError.
enum class ErrorKind : std::uint8_t {
    remote,
    not_found,
    lost,
    stopping,
    full,
    no_command,
    timeout,
    codec,
    deadlock,
    spawn,
    cancelled,
    exit,  // an ActorExit
};
struct ErrorOnWire {
    ErrorKind kind = ErrorKind::remote;
    std::string type, what, actor;
    int code = 0;  // of an ActorExit
    // The end of its actor cancelled it: it did not fail on its own.
    bool cut_off() const noexcept { return kind == ErrorKind::cancelled; }
    // The exit code of an actor that ends with this error.
    int exit_code() const noexcept { return kind == ErrorKind::exit ? code : 1; }
    // For logs, and for errors that quote it.
    std::string to_string() const;
};

// Maximum length of an error's text in bytes, so that an error always fits into a message.
inline constexpr std::size_t longest_text = 64 << 10;
void shorten(std::string& text);

ErrorOnWire to_wire(const std::exception_ptr& error);
std::exception_ptr from_wire(ErrorOnWire e);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
