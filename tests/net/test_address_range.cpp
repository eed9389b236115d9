#include <doctest/doctest.h>

#include <magnetar/net/address_range.hpp>

#include <stdexcept>
#include <string>

using namespace magnetar;

TEST_CASE("address range: what it contains, at its limits") {
    struct Row {
        const char* range;
        const char* address;
        bool contained;
    };
    const Row table[] = {
        {"10.0.0.0/8", "10.0.0.0:1", true},
        {"10.0.0.0/8", "10.255.255.255:1", true},
        {"10.0.0.0/8", "11.0.0.0:1", false},
        {"10.0.0.0/8", "9.255.255.255:1", false},
        {"10.0.0.0/8", "[::ffff:10.1.2.3]:1", true},
        {"10.0.0.0/8", "[a00::]:1", false},
        {"10.0.0.0/8", "unix:/run/x", false},
        {"192.168.1.128/25", "192.168.1.128:1", true},
        {"192.168.1.128/25", "192.168.1.127:1", false},
        {"127.0.0.1", "127.0.0.1:80", true},
        {"127.0.0.1", "127.0.0.2:80", false},
        {"127.0.0.1/32", "127.0.0.1:80", true},
        {"0.0.0.0/0", "8.8.8.8:53", true},
        {"0.0.0.0/0", "[::1]:53", false},
        {"::/0", "8.8.8.8:53", true},
        {"::/0", "[::1]:53", true},
        {"::1", "[::1]:53", true},
        {"::1", "[::2]:53", false},
        {"2001:db8::/33", "[2001:db8:7fff::1]:53", true},
        {"2001:db8::/33", "[2001:db8:8000::1]:53", false},
        {"unix", "unix:/run/x", true},
        {"unix", "unix:@x", true},
        {"unix", "127.0.0.1:1", false},
    };
    for (auto& row : table) {
        INFO(std::string(row.range), " ", std::string(row.address));
        CHECK(AddressRange::parse(row.range).contains(SocketAddress::parse(row.address)) == row.contained);
    }
    CHECK_FALSE(AddressRange::parse("::/0").contains(SocketAddress()));
    CHECK_FALSE(AddressRange::parse("unix").contains(SocketAddress()));
}

TEST_CASE("address range: what it prints it reads; what is none is refused") {
    for (const char* text :
         {"10.0.0.0/8", "127.0.0.1", "0.0.0.0/0", "::/0", "::1", "2001:db8::/32", "unix"}) {
        auto range = AddressRange::parse(text);
        CHECK(range.to_string() == text);
        CHECK(AddressRange::parse(range.to_string()) == range);
    }
    for (const char* text :
         {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.1/8", "::1/127",
          "::/129", "localhost", "10.0.0.0:80", "[::1]", "fe80::1%lo", "unix/3", "10.0.0.0/8/8"}) {
        INFO(std::string(text));
        CHECK_THROWS_AS(AddressRange::parse(text), std::invalid_argument);
    }
}
