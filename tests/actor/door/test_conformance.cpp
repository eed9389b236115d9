// The groups of cases of the public conformance suite for WebSocket, against a live door: each as whole
// frames, and again byte by byte. A case without a close frame ends with ours, so that everything has been
// read.
#include <fmt/core.h>

#include "../door_support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

std::string frame(unsigned first, std::string_view payload, unsigned length_bytes = 0, bool masked = true) {
    std::string text(1, static_cast<char>(first));
    std::size_t size = payload.size();
    if (length_bytes == 0) length_bytes = size < 126 ? 1 : size < 65536 ? 2 : 8;
    unsigned mask_bit = masked ? 0x80 : 0;
    if (length_bytes == 1) text += static_cast<char>(mask_bit | size);
    else {
        text += static_cast<char>(mask_bit | (length_bytes == 2 ? 126u : 127u));
        for (unsigned i = length_bytes; i-- > 0;) text += static_cast<char>(size >> (8 * i));
    }
    if (masked) text += std::string("\x11\x22\x33\x44", 4);
    const char mask[] = {0x11, 0x22, 0x33, 0x44};
    for (std::size_t i = 0; i < size; ++i)
        text += masked ? static_cast<char>(payload[i] ^ mask[i % 4]) : payload[i];
    return text;
}
constexpr unsigned text_frame = 0x81, binary = 0x82, close_frame = 0x88, ping_frame = 0x89, pong_frame = 0x8a;
constexpr unsigned text_start = 0x01, more = 0x00, last = 0x80;
const std::string asked = R"({"command":"ping","id":1})", answered = R"({"id":1,"result":"pong"})";

// The request, padded with blanks to `size`.
std::string ask(std::size_t size) { return asked + std::string(size - asked.size(), ' '); }
std::string text(std::string_view payload) { return frame(text_frame, payload); }
std::string code(int number, std::string_view reason = "") {
    std::string payload{static_cast<char>(number >> 8), static_cast<char>(number)};
    return frame(close_frame, payload.append(reason));
}
std::string pieces(std::string_view payload, std::size_t each, std::string_view between = "") {
    std::string all;
    for (std::size_t at = 0; at < payload.size(); at += each) {
        bool end = at + each >= payload.size();
        all += frame((at == 0 ? 1u : 0u) | (end ? 0x80u : 0u), payload.substr(at, each));
        if (!end) all += between;
    }
    return all;
}
std::string with_text(std::string_view inside) {
    return fmt::format(R"({{"command":"echo","id":1,"args":["{}"]}})", inside);
}
std::string echoed(std::string_view inside) { return fmt::format(R"({{"id":1,"result":"{}"}})", inside); }

struct Case {
    std::string name, bytes, expected;
};
const std::string ended = "close 1000 end", broken = "close 1002 end";

// Waits for everything before the last two words of `expected` before it closes: later answers would be
// dropped. After a violation an answer to an earlier message is optional.
Task<> try_all(std::string url, const std::vector<Case>& cases) {
    for (auto& one : cases) {
        std::size_t step = one.bytes.size();
        for (int round = 0; round < 2; ++round, step = one.bytes.size() > 1000 ? 997 : 1) {
            CAPTURE(one.name);
            CAPTURE(step);
            auto client = co_await DoorClient::open(url);
            bool good = one.expected.ends_with(ended);
            std::string got;
            try {
                for (std::size_t at = 0; at < one.bytes.size(); at += step)
                    co_await client.write(one.bytes.substr(at, step));
                while (good && got.size() + ended.size() < one.expected.size())
                    got += co_await client.next() + " ";
                co_await client.write(code(1000));
                co_await client.stream().shutdown();
            } catch (const std::system_error&) {
                // It has closed already.
            }
            got += co_await client.all();
            if (!good && got.starts_with(answered + " ")) got.erase(0, answered.size() + 1);
            CHECK(got == one.expected);
        }
    }
    auto client = co_await DoorClient::open(url);
    std::string answer = co_await client.ask(asked);
    CHECK(answer == answered);
}
template <std::vector<Case> (*cases)()>
void try_on_a_door() {
    with_door({.door = {.max_message = 70'000}}, [](Arbiter<>& self) -> Task<> {
        static std::vector<Case> all;
        all = cases();
        co_await try_all(self.address(), all);
    });
}

std::vector<Case> framing() {
    std::vector<Case> all;
    for (std::size_t size : {std::size_t{25}, std::size_t{125}, std::size_t{126}, std::size_t{127},
                             std::size_t{128}, std::size_t{65535}, std::size_t{65536}, std::size_t{70000}})
        all.push_back({fmt::format("{} bytes", size), text(ask(size)), answered + " " + ended});
    all.push_back({"a length in more bytes than it needs", frame(text_frame, ask(125), 2), broken});
    all.push_back({"the same in eight", frame(text_frame, ask(126), 8), broken});
    all.push_back({"eight for what goes in two", frame(text_frame, ask(65535), 8), broken});
    all.push_back({"a length with its highest bit set",
                   std::string("\x81\xff\x80\0\0\0\0\0\0\1", 10) + "maskx", broken});
    all.push_back({"a frame greater than any",
                   std::string("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10) + "mask", "close 1009 end"});
    all.push_back({"not masked", frame(text_frame, asked, 0, false), broken});
    all.push_back({"a ping that is not masked", frame(ping_frame, "", 0, false), broken});
    all.push_back({"a binary message", frame(binary, asked), "close 1003 end"});
    all.push_back({"several in one piece", text(asked) + text(asked) + text(asked),
                   answered + " " + answered + " " + answered + " " + ended});
    return all;
}
std::vector<Case> pings() {
    std::string most(125, 'p'), ten, pongs;
    for (int i = 0; i < 10; ++i) {
        ten += frame(ping_frame, std::to_string(i));
        pongs += fmt::format("pong:{} ", i);
    }
    return {{"empty", frame(ping_frame, ""), "pong: " + ended},
            {"with a payload", frame(ping_frame, "hello"), "pong:hello " + ended},
            {"of bytes that are no text", frame(ping_frame, "\x80\xff"), "pong:\x80\xff " + ended},
            {"of 125 bytes", frame(ping_frame, most), "pong:" + most + " " + ended},
            {"of 126 bytes", frame(ping_frame, most + "p"), broken},
            {"ten at once", ten, pongs + ended},
            {"a pong that nobody asked for", frame(pong_frame, "x"), ended},
            {"a pong, and a ping", frame(pong_frame, "x") + frame(ping_frame, "y"), "pong:y " + ended},
            {"a ping in parts", frame(0x09, "a") + frame(last, "b"), broken}};
}
std::vector<Case> reserved() {
    std::vector<Case> all;
    for (unsigned bits = 1; bits < 8; ++bits)
        for (unsigned first : {text_frame, ping_frame, close_frame})
            all.push_back(
                {fmt::format("bits {} of {:02x}", bits, first), frame(first | bits << 4, asked), broken});
    for (unsigned opcode : {3u, 4u, 5u, 6u, 7u, 11u, 12u, 13u, 14u, 15u}) {
        all.push_back({fmt::format("opcode {}", opcode), frame(0x80 | opcode, ""), broken});
        all.push_back(
            {fmt::format("opcode {} after a text", opcode), text(asked) + frame(0x80 | opcode, "x"), broken});
    }
    return all;
}
std::vector<Case> fragments() {
    auto ping = frame(ping_frame, "in between");
    return {
        {"two", pieces(asked, 13), answered + " " + ended},
        {"byte by byte", pieces(asked, 1), answered + " " + ended},
        {"many of a long one", pieces(ask(60000), 1000), answered + " " + ended},
        {"empty ones", frame(text_start, "") + frame(more, "") + frame(last, asked), answered + " " + ended},
        {"a ping in between", pieces(asked, 13, ping), "pong:in between " + answered + " " + ended},
        {"a close in between", frame(text_start, asked) + code(1001), "close 1001 end"},
        {"a continuation of nothing", frame(last, asked), broken},
        {"one more after the last", pieces(asked, 13) + frame(last, "x"), broken},
        {"a text inside a text", frame(text_start, asked) + text(asked), broken},
        {"a binary inside a text", frame(text_start, asked) + frame(binary, "x"), broken},
        {"binary in parts", frame(0x02, "x") + frame(last, "y"), "close 1003 end"},
        {"too long together", pieces(ask(70001), 10000), "close 1009 end"}};
}
std::vector<Case> utf8() {
    std::vector<Case> all;
    for (std::string_view good :
         {"", "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6", "\xce\xba\xe1\xbd\xb9\xcf\x83", "\xf0\x90\x80\x80",
          "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xef\xbf\xbf"}) {
        all.push_back({"good", text(with_text(good)), echoed(good) + " " + ended});
        all.push_back({"good, in pieces that part its characters", pieces(with_text(good), 1),
                       echoed(good) + " " + ended});
    }
    for (std::string_view bad :
         {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe2\x82",
          "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
          "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff",
          "\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80"}) {
        all.push_back({"bad", text(with_text(bad)), "close 1007 end"});
        all.push_back({"bad, in pieces", pieces(with_text(bad), 1), "close 1007 end"});
        // Reported at once, not only when the message is complete.
        all.push_back(
            {"bad, and never complete", frame(text_start, std::string(bad) + "x"), "close 1007 end"});
    }
    all.push_back({"ends inside a character", text("\"\xe2\x82"), "close 1007 end"});
    return all;
}
std::vector<Case> closes() {
    std::vector<Case> all{{"without a code", frame(close_frame, ""), "close 1005 end"},
                          {"half a code", frame(close_frame, "\x03"), broken},
                          {"with a reason", code(1000, "good-bye"), ended},
                          {"with the longest reason", code(1000, std::string(123, 'r')), ended},
                          {"with a longer one", code(1000, std::string(124, 'r')), broken},
                          {"with a reason that is no UTF-8", code(1000, "\xff"), "close 1007 end"},
                          {"twice", code(1000) + code(1000), ended},
                          {"and a text behind it", code(1000) + text(asked), ended},
                          {"and a ping behind it", code(1000) + frame(ping_frame, ""), ended},
                          {"and what is no frame behind it", code(1000) + "\xff\xff\xff\xff\xff\xff", ended},
                          {"in parts", frame(0x08, ""), broken}};
    for (int good :
         {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999})
        all.push_back({fmt::format("{}", good), code(good), fmt::format("close {} end", good)});
    for (int bad : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535})
        all.push_back({fmt::format("{}", bad), code(bad), broken});
    return all;
}

}  // namespace

TEST_CASE("door, conformance: framing") { try_on_a_door<framing>(); }
TEST_CASE("door, conformance: pings and pongs") { try_on_a_door<pings>(); }
TEST_CASE("door, conformance: reserved bits and opcodes") { try_on_a_door<reserved>(); }
TEST_CASE("door, conformance: fragmentation") { try_on_a_door<fragments>(); }
TEST_CASE("door, conformance: UTF-8") { try_on_a_door<utf8>(); }
TEST_CASE("door, conformance: closing") { try_on_a_door<closes>(); }
