#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <span>
#include <string>
#include <variant>

#include <magnetar/actor/core/call_context.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/node/error_on_wire.hpp>
#include <magnetar/config.hpp>

// What the two ends of a link say to each other; how it becomes bytes is a format's affair.
namespace magnetar::inline MAGNETAR_MODE::detail {

inline constexpr std::uint32_t link_magic = 0x6d61676e;  // "magn"
inline constexpr std::uint16_t link_protocol = 1;

// The first message each way.
struct Hello {
    std::uint32_t magic = link_magic;
    std::uint16_t oldest_protocol = link_protocol, newest_protocol = link_protocol;
    std::uint32_t node = 0;
    // Unknown ones are ignored. "wire" is the form in which its sender writes, this message and all others, and
    // must be the other end's, too: "json", or binary if it is missing. Numbers and binary forms mean the same
    // only to programs of one build and one table of commands: there "build" and "commands" must be the same.
    std::map<std::string, std::string> features;
};

// A request, or a tell. The arguments are encoded; they are a view of who sends, or of what was received.
struct CallOnWire {
    bool tell = false;
    std::uint64_t id = 0;  // of a request: its answer has the same
    std::uint32_t command = 0;
    Address target, sender;
    std::chrono::nanoseconds
        left{};            // of the time until its deadline, as other clocks are not this one; 0: none
    CallChainPtr chain{};  // null when no serial actor waits for it
    std::span<const std::byte> arguments{};
    std::exception_ptr
        misfit{};  // why they are none of that command, or there is none: told by who reads JSON
};
// What the request of that id has come to: a result, encoded, or an error.
struct AnswerOnWire {
    std::uint64_t id = 0;
    std::uint32_t command = 0;  // of the request; not sent
    std::span<const std::byte> result;
};
struct FailureOnWire {
    std::uint64_t id = 0;
    ErrorOnWire error;
};
// So many tells to that actor, of so many bytes, have been taken: there is room for others.
struct Credit {
    std::uint64_t target = 0;
    std::uint32_t count = 0;
    std::uint64_t bytes = 0;
};
// The arbiter gives the other end a link to that node: a descriptor goes with it.
struct Introduction {
    std::uint32_t node = 0;
};
// The arbiter tells that a process has ended.
struct NodeEnd {
    std::uint32_t node = 0;
};

using LinkMessage =
    std::variant<Hello, CallOnWire, AnswerOnWire, FailureOnWire, Credit, Introduction, NodeEnd>;

// Stands for the program: the linker's build id, see ld(1); empty where it has none. A fork has its parent's.
const std::string& build_id();

// Stands for the table of commands: nodes that speak of them by their numbers must have the same. A plugin
// that one of them has loaded alone makes it another.
const std::string& command_table_mark();

}  // namespace magnetar::inline MAGNETAR_MODE::detail
