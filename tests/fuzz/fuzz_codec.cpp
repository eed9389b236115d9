// What decodes encodes again to a value that is equal, in both forms; everything else is refused with
// CodecError.
#include <magnetar/wire/json_codec.hpp>

#include <array>
#include <cstdlib>
#include <map>
#include <set>
#include <variant>

using namespace magnetar;

namespace {

enum class Colour : std::uint8_t { red, green };
struct Point {
    float x = 0;
    double y = 0;
    bool operator==(const Point&) const = default;
};
struct Empty {
    bool operator==(const Empty&) const = default;
};
struct Rich {
    std::int8_t small = 0;
    std::uint64_t large = 0;
    bool flag = false;
    Colour colour = Colour::red;
    std::string text;
    std::vector<std::byte> bytes;
    std::optional<std::optional<int>> maybe;
    std::variant<std::monostate, int, std::string, std::vector<Point>> either;
    std::pair<int, Empty> pair;
    std::array<std::uint16_t, 3> array{};
    std::vector<Rich> children;
    std::map<std::string, std::vector<bool>> named;
    std::map<int, Json> numbered;
    std::set<std::string> set;
    std::chrono::milliseconds delay{};
    std::vector<std::tuple<>> nothings;
    bool operator==(const Rich&) const = default;
};

template <class T>
std::string binary(const T& value) {
    Writer out;
    encode(out, value);
    return std::string(out.text());
}
template <class T>
T from_binary(std::string_view text) {
    return decode<T>(std::as_bytes(std::span(text.data(), text.size())));
}
void check(bool good) {
    if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    try {
        auto value = from_binary<Rich>(input);
        check(binary(value) ==
              binary(from_binary<Rich>(binary(value))));  // by bytes: NaN is not equal to itself
        Json json = to_json(value);
        check(binary(from_json<Rich>(json)) == binary(value));
        check(from_json<Rich>(Json::parse(json.dump())) == value);
    } catch (const CodecError&) {
    } catch (const JsonError&) {  // strings that are not UTF-8, nesting
    }
    try {
        auto value = from_json<Rich>(Json::parse(input));
        check(from_json<Rich>(to_json(value)) == value);
        check(from_binary<Rich>(binary(value)) == value);
    } catch (const CodecError&) {
    } catch (const JsonError&) {}
    try {
        auto json = from_binary<Json>(input);
        check(from_binary<Json>(binary(json)) == json);
    } catch (const CodecError&) {}
    return 0;
}
