#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/utf8.hpp>
#include <magnetar/wire/websocket/frame.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

using namespace magnetar;
using namespace std::string_literals;

namespace {

using Events = std::vector<std::pair<Opcode, std::string>>;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

void drain(FrameDecoder& decoder, Events& events) {
    while (auto message = decoder.next()) events.emplace_back(message->opcode, message->text());
}

Events decode_whole(std::string_view input, FrameRules rules = {}) {
    FrameDecoder decoder(rules);
    Events events;
    decoder.feed(bytes_of(input));
    drain(decoder, events);
    return events;
}

/// Feeds copies that are gone once they are taken, so that a view kept too long is seen by the address
/// sanitizer.
Events decode_split(std::string_view input, std::vector<std::size_t> cuts, FrameRules rules = {}) {
    FrameDecoder decoder(rules);
    Events events;
    std::size_t begin = 0;
    cuts.push_back(input.size());
    for (auto end : cuts) {
        std::vector<char> part(input.begin() + static_cast<std::ptrdiff_t>(begin),
                               input.begin() + static_cast<std::ptrdiff_t>(end));
        decoder.feed(bytes_of({part.data(), part.size()}));
        drain(decoder, events);
        begin = end;
    }
    return events;
}

CloseCode refusal(std::string_view input, FrameRules rules = {}) {
    FrameDecoder decoder(rules);
    Events events;
    decoder.feed(bytes_of(input));
    try {
        drain(decoder, events);
    } catch (const FrameError& error) {
        CHECK_THROWS_AS(decoder.next(), FrameError);  // and it stays refused
        return error.code();
    }
    return CloseCode::normal;
}

std::string frame(Opcode opcode, std::string_view payload, FrameOptions options = {}) {
    Writer out;
    append_frame(out, opcode, payload, options);
    return std::string(out.text());
}

constexpr MaskKey key{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};

}  // namespace

TEST_CASE("the frames of RFC 6455, section 5.7") {
    CHECK(frame(Opcode::text, "Hello") == "\x81\x05Hello");
    CHECK(frame(Opcode::text, "Hello", {.mask = key}) == "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    CHECK(frame(Opcode::text, "Hel", {.fin = false}) == "\x01\x03Hel");
    CHECK(frame(Opcode::continuation, "lo") == "\x80\x02lo");
    CHECK(frame(Opcode::ping, "Hello") == "\x89\x05Hello");
    CHECK(frame(Opcode::binary, std::string(256, 'x')) == "\x82\x7e\x01\x00"s + std::string(256, 'x'));
    CHECK(frame(Opcode::binary, std::string(65536, 'x')) ==
          "\x82\x7f\0\0\0\0\0\1\0\0"s + std::string(65536, 'x'));

    CHECK(decode_whole("\x01\x03Hel\x80\x02lo") == Events{{Opcode::text, "Hello"}});
    CHECK(decode_whole("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", {.masking = Masking::required}) ==
          Events{{Opcode::text, "Hello"}});
}

TEST_CASE("what is encoded decodes, at every size where the header changes") {
    for (std::size_t size : {0,   1,   2,   3,   7,    8,     9,     15,    16,    17,    124,
                             125, 126, 127, 128, 1000, 65534, 65535, 65536, 65537, 200000}) {
        std::string payload(size, '\0');
        for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 7 + size);
        for (bool masked : {false, true}) {
            FrameOptions options{.mask = masked ? std::optional(key) : std::nullopt};
            auto input = frame(Opcode::binary, payload, options) + frame(Opcode::binary, "next", options);
            FrameRules rules{.masking = masked ? Masking::required : Masking::forbidden};
            Events expected{{Opcode::binary, payload}, {Opcode::binary, "next"}};
            CHECK(decode_whole(input, rules) == expected);
            for (std::size_t cut : {1, 2, 3, 5, 9, 13, 14})
                CHECK(decode_split(input, {std::min(cut, input.size())}, rules) == expected);
        }
        Writer in_place;
        in_place.append("before");
        append_frame(in_place, Opcode::binary, [&] { in_place.append(payload); });
        CHECK(in_place.text() == "before" + frame(Opcode::binary, payload));
    }
}

TEST_CASE("every split of the input gives the same messages") {
    for (bool masked : {false, true}) {
        FrameOptions last{.mask = masked ? std::optional(key) : std::nullopt}, more = last;
        more.fin = false;
        std::string euro = "\xe2\x82\xac", input;
        input += frame(Opcode::text, "a" + euro.substr(0, 1), more);
        input += frame(Opcode::ping, "between", last);
        input += frame(Opcode::continuation, euro.substr(1, 1), more);
        input += frame(Opcode::pong, "", last);
        input += frame(Opcode::continuation, "", more);
        input += frame(Opcode::continuation, euro.substr(2) + "z", last);
        input += frame(Opcode::binary, std::string(130, '\xff'), last);
        input += frame(Opcode::text, "", last);
        input += frame(Opcode::close,
                       "\x03\xe8"
                       "bye",
                       last);
        Events expected{{Opcode::ping, "between"},
                        {Opcode::pong, ""},
                        {Opcode::text, "a" + euro + "z"},
                        {Opcode::binary, std::string(130, '\xff')},
                        {Opcode::text, ""},
                        {Opcode::close,
                         "\x03\xe8"
                         "bye"}};
        FrameRules rules{.masking = Masking::either};
        CHECK(decode_whole(input, rules) == expected);
        for (std::size_t i = 0; i <= input.size(); ++i)
            for (std::size_t j = i; j <= input.size(); ++j)
                REQUIRE(decode_split(input, {i, j}, rules) == expected);
        std::vector<std::size_t> every_byte;
        for (std::size_t i = 1; i < input.size(); ++i) every_byte.push_back(i);
        CHECK(decode_split(input, every_byte, rules) == expected);
    }
}

TEST_CASE("a frame in one piece is a view of the bytes fed") {
    auto input = frame(Opcode::text, "first") + frame(Opcode::binary, "second");
    FrameDecoder decoder;
    decoder.feed(bytes_of(input));
    CHECK(decoder.next()->text().data() == input.data() + 2);
    CHECK(decoder.next()->text().data() == input.data() + 9);
    CHECK(!decoder.next());
    CHECK(decoder.idle());
}

TEST_CASE("the decoder knows whether something is half received") {
    auto input = frame(Opcode::text, "a", {.fin = false}) + frame(Opcode::continuation, "b");
    FrameDecoder decoder;
    for (std::size_t i = 0; i < input.size(); ++i) {
        CHECK(decoder.idle() == (i == 0));
        decoder.feed(bytes_of(input).subspan(i, 1));
        CHECK(decoder.next().has_value() == (i + 1 == input.size()));
    }
    CHECK(decoder.idle());
    decoder.feed({});
    CHECK(!decoder.next());
}

TEST_CASE("feeding before the last bytes are taken is a mistake") {
    auto input = frame(Opcode::text, "one") + frame(Opcode::text, "two");
    FrameDecoder decoder;
    decoder.feed(bytes_of(input));
    CHECK(decoder.next()->text() == "one");
    CHECK_THROWS_AS(decoder.feed(bytes_of(input)), std::logic_error);
    CHECK(decoder.next()->text() == "two");
}

TEST_CASE("violations of the protocol are refused with 1002") {
    constexpr auto wrong = CloseCode::protocol_error;
    for (char bit : {'\x40', '\x20', '\x10'})
        CHECK(refusal(std::string{static_cast<char>('\x81' | bit), '\0'}) == wrong);
    for (int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15})
        CHECK(refusal(std::string{static_cast<char>(0x80 | opcode), '\0'}) == wrong);
    for (char control : {'\x08', '\x09', '\x0a'})
        CHECK(refusal(std::string{control, '\0'}) == wrong);  // fragmented
    for (char control : {'\x88', '\x89', '\x8a'}) {
        CHECK(refusal(std::string{control, '\x7e', '\0', '\x7e'}) == wrong);  // 126 bytes
        CHECK(refusal(std::string{control, '\x7d'}) == CloseCode::normal);    // 125: merely not here yet
    }
    CHECK(refusal("\x80\x01x") == wrong);                                      // continues nothing
    CHECK(refusal("\x01\x01x\x81\x01y") == wrong);                             // a new message inside
    CHECK(refusal("\x01\x01x\x80\x01y\x80\x01z") == wrong);                    // continues what has ended
    CHECK(refusal("\x82\x7e\x00\x7d"s) == wrong);                              // 125 needs one byte
    CHECK(refusal("\x82\x7f\0\0\0\0\0\0\xff\xff"s) == wrong);                  // 65535 needs two
    CHECK(refusal("\x82\x7f\x80\0\0\0\0\0\0\0"s) == wrong);                    // the highest bit
    CHECK(refusal("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58") == wrong);   // masked
    CHECK(refusal("\x81\x05Hello", {.masking = Masking::required}) == wrong);  // not masked
    CHECK(refusal("\x81\x05Hello", {.masking = Masking::either}) == CloseCode::normal);
}

TEST_CASE("a bad close frame is refused") {
    auto close = [](int code, std::string reason = "") {
        return frame(Opcode::close,
                     std::string{static_cast<char>(code >> 8), static_cast<char>(code)} + reason);
    };
    CHECK(refusal(frame(Opcode::close, "")) == CloseCode::normal);
    CHECK(refusal(frame(Opcode::close, "\x03")) == CloseCode::protocol_error);
    for (int good :
         {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999})
        CHECK(refusal(close(good, "why")) == CloseCode::normal);
    for (int bad : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535})
        CHECK(refusal(close(bad)) == CloseCode::protocol_error);
    CHECK(refusal(close(1000, "\xff")) == CloseCode::invalid_data);
    CHECK(refusal(close(1000, "\xe2\x82")) == CloseCode::invalid_data);
}

TEST_CASE("a close frame is built, read, and the last") {
    Writer out;
    append_close(out, {CloseCode::going_away, "shutting down"});
    append_frame(out, Opcode::text, "too late");
    FrameDecoder decoder;
    decoder.feed(out.bytes());
    auto message = decoder.next();
    REQUIRE(message->opcode == Opcode::close);
    auto close = parse_close(message->payload);
    CHECK(close.code == CloseCode::going_away);
    CHECK(close.reason == "shutting down");
    CHECK(!decoder.next());
    decoder.feed(bytes_of("\xff\xff\xff"));  // ignored, whatever it is
    CHECK(!decoder.next());

    out.clear();
    append_close(out, {});
    CHECK(out.text() == "\x88\x00"s);
    CHECK(parse_close({}).code == CloseCode::no_status);

    out.clear();
    std::string euros;
    for (int i = 0; i < 50; ++i) euros += "\xe2\x82\xac";
    append_close(out, {CloseCode::normal, euros});
    CHECK(out.size() == 2 + 2 + 123);  // 41 characters of three bytes: all that fits
    CHECK(refusal(out.text()) == CloseCode::normal);
}

TEST_CASE("a text that is not UTF-8 is refused with 1007, as soon as it is certain") {
    constexpr auto wrong = CloseCode::invalid_data;
    CHECK(refusal(frame(Opcode::text, "\xff")) == wrong);
    CHECK(refusal(frame(Opcode::text, "\xe2\x82")) == wrong);
    CHECK(refusal(frame(Opcode::text, "\xe2\x82", {.fin = false})) == CloseCode::normal);
    CHECK(refusal(frame(Opcode::text, "\xe2\x82", {.fin = false}) + frame(Opcode::continuation, "x")) ==
          wrong);
    CHECK(refusal(frame(Opcode::text, "\xe2\x82", {.fin = false}) + frame(Opcode::continuation, "")) ==
          wrong);
    CHECK(refusal(frame(Opcode::text, "\xed\xa0", {.fin = false})) == wrong);
    CHECK(refusal(frame(Opcode::binary, "\xff")) == CloseCode::normal);
    // The end of one text does not reach into the next.
    CHECK(decode_whole(frame(Opcode::text, "a", {.fin = false}) +
                       frame(Opcode::continuation, "\xe2\x82\xac") + frame(Opcode::text, "b")) ==
          Events{{Opcode::text, "a\xe2\x82\xac"}, {Opcode::text, "b"}});
}

TEST_CASE("limits hold at the byte, and before the payload comes") {
    FrameRules rules{.max_frame = 100, .max_message = 150};
    CHECK(refusal(frame(Opcode::binary, std::string(100, 'x')), rules) == CloseCode::normal);
    CHECK(refusal(frame(Opcode::binary, std::string(101, 'x')).substr(0, 2), rules) == CloseCode::too_big);
    auto first = frame(Opcode::binary, std::string(100, 'x'), {.fin = false});
    CHECK(refusal(first + frame(Opcode::continuation, std::string(50, 'x')), rules) == CloseCode::normal);
    CHECK(refusal(first + frame(Opcode::continuation, std::string(51, 'x')).substr(0, 2), rules) ==
          CloseCode::too_big);
    CHECK(refusal(first + frame(Opcode::ping, std::string(125, 'x')), rules) ==
          CloseCode::normal);  // not part of it
    CHECK(refusal("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", rules) == CloseCode::too_big);
    // The sum begins anew with every message.
    auto whole = first + frame(Opcode::continuation, std::string(50, 'x'));
    CHECK(decode_whole(whole + whole, rules).size() == 2);
}

TEST_CASE("limits of nothing, and of all that a header can announce") {
    FrameRules nothing{.max_frame = 0, .max_message = 0};
    CHECK(refusal(frame(Opcode::binary, ""), nothing) == CloseCode::normal);
    CHECK(refusal(frame(Opcode::binary, "x").substr(0, 2), nothing) == CloseCode::too_big);
    CHECK(refusal(frame(Opcode::ping, std::string(125, 'x')), nothing) == CloseCode::normal);
    FrameRules frames{.max_frame = 0, .max_message = SIZE_MAX},
        messages{.max_frame = SIZE_MAX, .max_message = 0};
    CHECK(refusal(frame(Opcode::binary, "x"), frames) == CloseCode::too_big);
    CHECK(refusal(frame(Opcode::binary, "x"), messages) == CloseCode::too_big);
    // For what is announced and has not come no memory is taken.
    FrameRules all{.max_frame = SIZE_MAX, .max_message = SIZE_MAX};
    using namespace std::string_view_literals;
    CHECK(refusal("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff and a little"sv, all) == CloseCode::normal);
    CHECK(refusal("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"sv, all) == CloseCode::protocol_error);
    auto first = frame(Opcode::binary, "some", {.fin = false});
    CHECK(refusal(first + "\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", all) == CloseCode::normal);
}

TEST_CASE("a frame that could not be filled leaves no trace") {
    Writer out;
    append_frame(out, Opcode::text, "kept");
    auto before = std::string(out.text());
    CHECK_THROWS_AS(append_frame(out, Opcode::text,
                                 [&] {
                                     out.append("half");
                                     throw std::runtime_error("no");
                                 }),
                    std::runtime_error);
    CHECK(out.text() == before);
}

TEST_CASE("a mask is applied to every byte") {
    for (std::size_t size = 0; size < 40; ++size) {
        std::string plain(size, 'a');
        auto masked = frame(Opcode::binary, plain, {.mask = key}).substr(6);
        REQUIRE(masked.size() == size);
        for (std::size_t i = 0; i < size; ++i)
            CHECK(static_cast<std::byte>(masked[i]) == (std::byte{'a'} ^ key[i % 4]));
    }
}

TEST_CASE("UTF-8 is checked as RFC 3629 has it, however it is split") {
    std::vector<std::string> good{"",
                                  "abc",
                                  "\x7f",
                                  "\xc2\x80",
                                  "\xdf\xbf",
                                  "\xe0\xa0\x80",
                                  "\xed\x9f\xbf",
                                  "\xee\x80\x80",
                                  "\xef\xbf\xbf",
                                  "\xf0\x90\x80\x80",
                                  "\xf4\x8f\xbf\xbf",
                                  "12345678\xe2\x82\xac"
                                  "12345678",
                                  "\0x"s};
    std::vector<std::string> bad{"\x80",
                                 "\xbf",
                                 "\xc0\x80",
                                 "\xc1\xbf",
                                 "\xe0\x9f\xbf",
                                 "\xed\xa0\x80",
                                 "\xed\xbf\xbf",
                                 "\xf0\x8f\xbf\xbf",
                                 "\xf4\x90\x80\x80",
                                 "\xf5\x80\x80\x80",
                                 "\xff",
                                 "\xfe",
                                 "\xc2",
                                 "\xe2\x82",
                                 "\xf0\x90\x80",
                                 "\xc2\x41",
                                 "\xe2\x82\x41",
                                 "\xe2\x28\xa1",
                                 "12345678\xff",
                                 "1234567\xe2\x82",
                                 "\xf0\x90\x80\xc0"};
    for (const auto* texts : {&good, &bad})
        for (const auto& text : *texts)
            for (std::size_t cut = 0; cut <= text.size(); ++cut) {
                Utf8Validator validator;
                validator.feed(text.substr(0, cut));
                bool valid = validator.feed(text.substr(cut)) && validator.complete();
                CHECK(valid == (texts == &good));
            }
    Utf8Validator validator;
    CHECK(!validator.feed("\xff"));
    CHECK(!validator.feed("abc"));  // and stays wrong
    CHECK(!validator.complete());

    // Every code point, against the definition.
    auto encode = [](unsigned c) {
        std::string text;
        if (c < 0x80) text = {static_cast<char>(c)};
        else if (c < 0x800) text = {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
        else if (c < 0x10000)
            text = {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
                    static_cast<char>(0x80 | (c & 63))};
        else
            text = {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)),
                    static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
        return text;
    };
    unsigned wrong = 0;
    for (unsigned c = 0; c < 0x120000; ++c)
        wrong += is_utf8(encode(c)) != (c < 0xd800 || (c > 0xdfff && c < 0x110000));
    CHECK(wrong == 0);
}
