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

// The messages that the two ends of a link exchange; BinaryFormat and JsonFormat define their encoding.
namespace magnetar::inline MAGNETAR_MODE::detail {

inline constexpr std::uint32_t link_magic = 0x6d61676e;  // "magn"
inline constexpr std::uint16_t link_protocol = 1;

// The first message each way.
struct Hello {
    std::uint32_t magic = link_magic;
    std::uint16_t oldest_protocol = link_protocol, newest_protocol = link_protocol;
    std::uint32_t node = 0;
    // Unknown features are ignored. "wire" is the form of this message and all others of its sender, and must
    // equal that of the other end: "json", or binary if it is missing. Command numbers and encoded values
    // have the same meaning only in programs of one build with one table of commands: in the binary form
    // "build" and "commands" must be equal, too.
    std::map<std::string, std::string> features;
};

// A request or a tell. The encoded arguments are a view of the sender's buffer, or of the received data.
struct CallOnWire {
    bool tell = false;
    std::uint64_t id = 0;  // of a request; its answer carries the same id
    std::uint32_t command = 0;
    Address target, sender;
    std::chrono::nanoseconds left{};  // time left until its deadline, as clocks differ between hosts; 0: none
    CallChainPtr chain{};             // null when no serial actor waits for it
    std::span<const std::byte> arguments{};
    std::exception_ptr misfit{};  // set by the JSON reader: unknown command, or arguments that do not fit it
};
// The outcome of the request of that id: an encoded result, or an error.
struct AnswerOnWire {
    std::uint64_t id = 0;
    std::uint32_t command = 0;  // of the request; not sent
    std::span<const std::byte> result;
};
struct FailureOnWire {
    std::uint64_t id = 0;
    ErrorOnWire error;
};
// The actor has consumed this number of tells, of this number of bytes: there is room for others.
struct Credit {
    std::uint64_t target = 0;
    std::uint32_t count = 0;
    std::uint64_t bytes = 0;
};
// From the arbiter: a link to that node. Its descriptor is passed along.
struct Introduction {
    std::uint32_t node = 0;
};
// From the arbiter: a process has ended.
struct NodeEnd {
    std::uint32_t node = 0;
};

using LinkMessage =
    std::variant<Hello, CallOnWire, AnswerOnWire, FailureOnWire, Credit, Introduction, NodeEnd>;

// Identifies the program: the linker's build id, see ld(1); empty if there is none. A fork has its parent's.
const std::string& build_id();

// Identifies the table of commands: nodes that refer to commands by number must have the same table. A plugin
// that only one of them has loaded makes the tables differ.
const std::string& command_table_mark();

}  // namespace magnetar::inline MAGNETAR_MODE::detail
