// However a stream is cut into pieces, read_until gives the same lines and ends with the same failure, as a
// reader of the whole would; what follows a line is left to the next read.
#include <magnetar/actor/command.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/net/stream.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

using namespace magnetar;

namespace {

struct Rules {
    std::string delimiter;
    std::size_t limit;
    std::size_t after;  // so many bytes after each line are read as such
};

// The lines, and in the end what ended them.
std::vector<std::string> expected(std::string_view text, const Rules& rules) {
    std::vector<std::string> lines;
    for (;;) {
        auto found = text.find(rules.delimiter);
        auto size = found == text.npos ? text.size() : found + rules.delimiter.size();
        if (size > rules.limit) return lines.push_back("too long"), lines;
        if (found == text.npos) return lines.push_back(text.empty() ? "end" : "cut off"), lines;
        lines.emplace_back(text.substr(0, size));
        text.remove_prefix(size);
        if (text.size() < rules.after) return lines.push_back("cut off"), lines;
        lines.emplace_back(text.substr(0, rules.after));
        text.remove_prefix(rules.after);
    }
}
Task<std::vector<std::string>> read(Stream& stream, const Rules& rules) {
    std::vector<std::string> lines;
    try {
        for (;;) {
            std::string line = co_await stream.read_until(rules.delimiter, rules.limit);
            if (line.empty()) break;
            lines.push_back(std::move(line));
            std::string after = co_await stream.read_exactly(rules.after);
            lines.push_back(std::move(after));
        }
        lines.push_back("end");
    } catch (const EndOfStream&) {
        lines.push_back("cut off");
    } catch (const std::length_error&) {
        lines.push_back("too long");
    }
    stream.close();
    co_return lines;
}
Task<> write(Stream& stream, std::string_view text, std::uint32_t state, std::size_t most) {
    try {
        while (!text.empty()) {
            state = state * 1664525 + 1013904223;
            auto piece = text.substr(0, (state >> 16) % most + 1);
            co_await stream.write(piece);
            text.remove_prefix(piece.size());
        }
        co_await stream.shutdown();
    } catch (const std::system_error&) {}  // the reader has gone
}
Task<std::vector<std::string>> through_a_stream(std::string_view text, const Rules& rules, std::uint32_t seed,
                                                std::size_t most) {
    auto pair = make_stream_pair();
    auto both = co_await when_all(read(pair.first, rules), write(pair.second, text, seed, most));
    co_return std::get<0>(std::move(both));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static EventLoop& loop = *new EventLoop;
    if (size < 6) return 0;
    auto* text = reinterpret_cast<const char*>(data);
    std::size_t length = data[0] % 3 + 1u;
    Rules rules{std::string(text + 3, length), data[1], data[0] / 64u};
    std::string_view input(text + 3 + length, size - 3 - length);
    auto whole = expected(input, rules);
    for (std::size_t most : {std::size_t(1) << 20, data[2] % 16 + 1UL})
        if (loop.run(through_a_stream(input, rules, data[2], most)) != whole) std::abort();
    return 0;
}
