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

// The form that any tool can read: a text frame with one JSON object. Commands have names, structs the names of
// their fields; docs/protocol.md has an example of each message.
struct JsonFormat {
    // Texts are longer than what they are made of: what is longer than this is not sent.
    static constexpr std::size_t largest_text = std::size_t{256} << 20;

    // They throw JsonError and CodecError for what has no JSON form, and for what is too long: then nothing was
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

    // Knows which command the request of an id was for; null for no such request.
    class Asked {
    public:
        virtual const CommandEntry* command_of(std::uint64_t id) const noexcept = 0;

    protected:
        ~Asked() = default;
    };
    // Encoded values of the message are put into `encoded`, and are a view of it. Arguments and results that do
    // not fit their command come back as errors. Throws FrameError, JsonError and CodecError.
    static LinkMessage read(std::string_view text, const Asked& asked, Writer& encoded);

private:
    static void write_text(Writer& out, const Json& json);
};

// A command's name there: its own, and its number in the table too where several have the same.
std::string wire_name(std::uint32_t command);
// The command of that name, or null.
const CommandEntry* find_by_wire_name(std::string_view name);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
