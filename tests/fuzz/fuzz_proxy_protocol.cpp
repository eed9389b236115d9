// A header is read the same however much follows it, every true beginning of it waits for more, and what is
// refused is refused as an argument.
#include <magnetar/net/address_range.hpp>
#include <magnetar/net/proxy_protocol.hpp>

#include <cstdlib>
#include <stdexcept>
#include <string>

using namespace magnetar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        auto header = parse_proxy_header(text);
        if (!header && size >= longest_proxy_header) std::abort();
        if (header) {
            if (header->size > size || header->size > longest_proxy_header) std::abort();
            auto alone = parse_proxy_header(text.substr(0, header->size));
            if (!alone || alone->size != header->size || !(alone->client == header->client)) std::abort();
            if (parse_proxy_header(text.substr(0, header->size - 1))) std::abort();
        }
    } catch (const std::invalid_argument&) {}
    try {
        auto range = AddressRange::parse(text);
        if (!(AddressRange::parse(range.to_string()) == range)) std::abort();
    } catch (const std::invalid_argument&) {}
    return 0;
}
