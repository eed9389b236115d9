// However an upgrade request is split, a server reads the same of it or refuses it with the same status; what
// it reads holds nothing that could end a line, and nothing of it is invented. The same text is no answer
// that a client takes for one to another key.
#include <magnetar/wire/websocket/handshake.hpp>

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace magnetar;

namespace {

constexpr std::size_t limit = 2048;

struct Read {
    int status = 101;
    UpgradeRequest request;
    std::string rest;
};

Read read(std::string_view text, auto next_size) {
    Read result;
    try {
        HeadReader reader(limit);
        bool complete = false;
        while (!text.empty()) {
            auto part = text.substr(0, next_size());
            text.remove_prefix(part.size());
            complete = reader.feed(part);
        }
        if (!complete) {
            result.status = 0;
            return result;
        }
        result.rest = reader.rest();
        result.request = parse_upgrade(reader.head(), "magnetar.v1");
    } catch (const HandshakeError& error) {
        result.status = error.status();
        if (result.status != 400 && result.status != 405 && result.status != 426 && result.status != 431)
            std::abort();
    }
    return result;
}

void check(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    std::uint32_t seed = data[0];
    std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    // The limit counts what comes in one piece with the end of the head, too: compare only what is within it.
    Read whole = read(text, [&] { return text.size(); });
    Read parts = read(text, [&] {
        seed = seed * 1103515245 + 12345;
        return std::size_t{1} + (seed >> 16) % 37;
    });
    check(whole.status == parts.status);
    check(whole.rest == parts.rest);
    auto& request = whole.request;
    check(request.target == parts.request.target && request.credential == parts.request.credential);
    check(request.protocols == parts.request.protocols);
    if (whole.status == 101) {
        for (const std::string* part : {&request.target, &request.host, &request.key, &request.origin}) {
            check(part->find_first_of("\r\n") == part->npos);
            check(text.find(*part) != text.npos);
        }
        auto answer = upgrade_answer(request.key, "magnetar.v1");
        check_upgrade_answer(answer, request.key, "magnetar.v1");
        // What a client writes of it, a server reads.
        auto again = parse_upgrade(upgrade_request(request.host, request.target, request.key, "magnetar.v1"),
                                   "magnetar.v1");
        check(again.target == request.target && again.host == request.host && again.key == request.key);
    }
    try {
        check_upgrade_answer(text, "AAAAAAAAAAAAAAAAAAAAAA==", "magnetar.v1");
        check(text.find(accept_of("AAAAAAAAAAAAAAAAAAAAAA==")) != text.npos);
    } catch (const HandshakeError&) {}
    try {
        auto url = parse_websocket_url(text);
        check(!url.address.empty() && url.target.starts_with('/'));
    } catch (const std::invalid_argument&) {}
    return 0;
}
