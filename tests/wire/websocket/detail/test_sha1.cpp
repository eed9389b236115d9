#include <doctest/doctest.h>
#include <fmt/core.h>

#include <span>
#include <string>

#include <magnetar/wire/websocket/detail/sha1.hpp>

using namespace magnetar;

namespace {

std::string hex(std::span<const std::byte> bytes) {
    std::string text;
    for (std::byte b : bytes) text += fmt::format("{:02x}", std::to_integer<int>(b));
    return text;
}

}  // namespace

TEST_CASE("sha1: the digests of RFC 3174 and FIPS 180") {
    CHECK(hex(detail::sha1("")) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    CHECK(hex(detail::sha1("abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(hex(detail::sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
          "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    CHECK(hex(detail::sha1(std::string(1'000'000, 'a'))) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    // Every length around the end of a block; the sum of the digests was made by another implementation.
    std::string all;
    for (std::size_t n = 50; n < 130; ++n) all += hex(detail::sha1(std::string(n, 'x')));
    CHECK(hex(detail::sha1(all)) == "cc2ef92dd2556911343f872838f2072e67fd53b9");
}
