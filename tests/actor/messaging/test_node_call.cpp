#include <magnetar/actor/messaging/node_call.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace magnetar;

namespace {

/// Counts how often it is encoded; its encoding is one megabyte.
struct Megabyte {
    static inline int encoded = 0;
    bool there = true;
    explicit Megabyte() {}
};

}  // namespace

template <>
struct magnetar::Codec<Megabyte> {
    static std::string to_wire(const Megabyte&) {
        ++Megabyte::encoded;
        return std::string(1 << 20, 'm');
    }
};

TEST_CASE("remote: a message that is much too large is refused before it is encoded whole") {
    std::vector<Megabyte> gigabyte(1024);
    Writer body;
    std::string said;
    try {
        detail::encode_message(body, gigabyte, "take");
    } catch (const CodecError& error) {
        CHECK(error.path() == "take");
        said = error.reason();
    }
    CHECK(said.starts_with("a message of "));
    CHECK(said.ends_with("bytes; at most 67108608 can leave a process"));
    CHECK(Megabyte::encoded == 64);
    CHECK(body.capacity() <= detail::largest_message);
    Writer fits;
    detail::encode_message(fits, std::vector<Megabyte>(3), "take");
    CHECK(fits.size() > 3 << 20);
}
