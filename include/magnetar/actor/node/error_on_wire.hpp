#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// An exception on the wire. What the framework throws is the same again at the other end; the rest is
// RemoteError.
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
    // It did not fail: its actor ended before it did.
    bool cut_off() const noexcept { return kind == ErrorKind::cancelled; }
    // The code with which an actor ends that ends by this error.
    int exit_code() const noexcept { return kind == ErrorKind::exit ? code : 1; }
    // For logs and for the errors that name it.
    std::string to_string() const;
};

// The limit of an error's text, so that an error always fits a message.
inline constexpr std::size_t longest_text = 64 << 10;
void shorten(std::string& text);

ErrorOnWire to_wire(const std::exception_ptr& error);
std::exception_ptr from_wire(ErrorOnWire e);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
