#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <string>

#include <magnetar/actor/identity.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// What a binary frame on a link is.
enum class Packet : std::uint8_t { hello, request, tell, answer, error, credit, peer, termed_request, gone };

inline constexpr std::uint32_t link_magic = 0x6d61676e;  // "magn"
inline constexpr std::uint16_t link_protocol = 1;

struct Hello {
    std::uint32_t magic = link_magic;
    std::uint16_t oldest_protocol = link_protocol, newest_protocol = link_protocol;
    std::uint32_t node = 0;
    // Unknown ones are ignored. Numbers and binary forms mean the same only to programs of one build and one
    // table of commands: both must have "build" and "commands", and the same.
    std::map<std::string, std::string> features;
};

// Stands for the program: the linker's build id, see ld(1); empty where it has none. A fork has its parent's.
const std::string& build_id();

// Stands for the table of commands: nodes that speak of them by their numbers must have the same. A plugin
// that one of them has loaded alone makes it another.
const std::string& command_table_mark();

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

// The limit of an error's text, so that an error always fits a packet.
inline constexpr std::size_t longest_text = 64 << 10;
void shorten(std::string& text);

ErrorOnWire to_wire(const std::exception_ptr& error);
std::exception_ptr from_wire(ErrorOnWire e);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
