#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include <magnetar/actor/node/link_message.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

struct CommandEntry;

// The wire form that any tool can read: a text frame with one JSON object. Commands and fields of structs are
// identified by name; docs/protocol.md has an example of each message.
struct JsonFormat {
    // Maximum size in bytes. A JSON text is longer than the values in it, so it has a limit of its own; a
    // longer text is not sent.
    static constexpr std::size_t largest_text = std::size_t{256} << 20;

    // Throws JsonError or CodecError for a message that has no JSON form or is too long; then nothing was
    // written.
    template <class Message>
    static void write(Writer& out, const Message& message) {
        write_text(out, to_json(message));
    }
    static Json to_json(const Hello& hello);
    static Json to_json(const CallOnWire& call);
    static Json to_json(const AnswerOnWire& answer);
    static Json to_json(const FailureOnWire& failure);
    static Json to_json(const Credit& credit);
    static Json to_json(const Introduction& introduction);
    static Json to_json(const NodeEnd& end);

    // Maps the id of a pending request to its command; null if there is no such request.
    class Asked {
    public:
        virtual const CommandEntry* command_of(std::uint64_t id) const noexcept = 0;

    protected:
        ~Asked() = default;
    };
    // The values of the message are encoded into `encoded`, and the result holds views of it. Arguments and
    // results that do not fit their command are returned as errors. Throws FrameError, JsonError and
    // CodecError.
    static LinkMessage read(std::string_view text, const Asked& asked, Writer& encoded);

private:
    static void write_text(Writer& out, const Json& json);
};

// A command's name in JSON: its own, followed by its number in the table where an earlier command has the
// same name.
std::string wire_name(std::uint32_t command);
// The command of that name in JSON, or null.
const CommandEntry* find_by_wire_name(std::string_view name);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
