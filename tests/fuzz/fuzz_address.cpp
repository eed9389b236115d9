// What is read as an address is written so that it is read as the same one; what is refused is refused as an
// argument.
#include <fmt/core.h>

#include <magnetar/actor/identity.hpp>
#include <magnetar/net/address.hpp>

#include <cstdlib>
#include <string>

using namespace magnetar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        auto [host, port] = split_host_port(text);
        bool bare = host.find_first_of(":[]") == host.npos;
        auto joined = bare ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
        auto again = split_host_port(joined);
        if (again.host != host || again.port != port) std::abort();
    } catch (const std::invalid_argument&) {}
    try {
        auto address = SocketAddress::parse_numeric(text);
        if (!address) return 0;  // a name, perhaps
        if (!*address || !(SocketAddress::parse(address->to_string()) == *address)) std::abort();
        if (!(SocketAddress(address->data(), address->size()) == *address)) std::abort();
        if (address->is_unix() ? text.substr(5) != address->path() : !address->is_ip()) std::abort();
    } catch (const std::invalid_argument&) {}
    return 0;
}
