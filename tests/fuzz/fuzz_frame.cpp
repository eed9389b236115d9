// However the input is split, the decoder delivers the same messages and refuses the same frame for the same
// reason.
#include <magnetar/actor/messaging/outbox.hpp>
#include <magnetar/wire/websocket/frame.hpp>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

using namespace magnetar;

namespace {

struct Event {
    int what;  // an opcode, or the code of the refusal
    std::string payload;
    bool operator==(const Event&) const = default;
};

std::vector<Event> decode(std::span<const std::byte> input, FrameRules rules, auto next_size) {
    FrameDecoder decoder(rules);
    std::vector<Event> events;
    try {
        while (!input.empty()) {
            auto size = std::min<std::size_t>(next_size(), input.size());
            std::vector<std::byte> part(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size));
            input = input.subspan(size);
            decoder.feed(part);
            while (auto message = decoder.next())
                events.push_back({static_cast<int>(message->opcode), std::string(message->text())});
        }
    } catch (const FrameError& error) {
        events.push_back({static_cast<int>(error.code()), error.what()});
    }
    return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 5) return 0;
    FrameRules rules{.masking = static_cast<Masking>(data[0] % 3),
                     .max_frame = data[1] * 16u,
                     .max_message = data[2] * 32u};
    std::uint32_t state = data[3] + 1u;
    std::size_t most = data[4] % 32 + 1;
    auto input = std::as_bytes(std::span(data + 5, size - 5));
    auto whole = decode(input, rules, [] { return SIZE_MAX; });
    auto pieces = decode(input, rules, [&] {
        state = state * 1664525 + 1013904223;
        return (state >> 16) % most + 1;
    });
    if (whole != pieces || whole != decode(input, rules, [] { return 1; })) std::abort();

    // What was delivered is delivered again when it is framed again.
    Writer out;
    std::vector<Event> messages;
    for (auto& event : whole) {
        if (event.what >= 1000) break;
        append_frame(out, static_cast<Opcode>(event.what), event.payload);
        messages.push_back(event);
    }
    if (decode(out.bytes(), {}, [] { return SIZE_MAX; }) != messages) std::abort();
    return 0;
}
