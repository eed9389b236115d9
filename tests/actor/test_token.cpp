#include <doctest/doctest.h>
#include <magnetar/actor/token.hpp>

#include <string>

using namespace magnetar;

TEST_CASE("token: matches the secret, and nothing else") {
    Token token("open sesame");
    CHECK(token);
    CHECK(token.matches("open sesame"));
    for (std::string wrong : {"", "o", "open sesam", "open sesame ", "Open sesame", "open sesameopen sesame",
                              "pen sesameo", "open sesam\xe5"}) {
        CAPTURE(wrong);
        CHECK_FALSE(token.matches(wrong));
    }
    CHECK_FALSE(token.matches(std::string("open sesame\0", 12)));
    // A length that only differs above its lowest bits.
    CHECK_FALSE(token.matches(std::string(11 + 256, 'x')));
}

TEST_CASE("token: none matches nothing, not even nothing") {
    Token none, empty("");
    CHECK_FALSE(none);
    CHECK_FALSE(empty);
    CHECK_FALSE(none.matches(""));
    CHECK_FALSE(none.matches("x"));
    CHECK_FALSE(empty.matches(""));
}
