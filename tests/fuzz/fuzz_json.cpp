// What parses is written so that it parses to an equal value, and nothing is changed on the way in.
#include <magnetar/base/log.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <simdjson.h>
#include <cmath>
#include <cstdlib>

using namespace magnetar;

namespace {

/// Whether the Json is what simdjson read, to the last bit.
bool same(const Json& json, simdjson::dom::element element) {
    using Type = simdjson::dom::element_type;
    switch (element.type()) {
        case Type::NULL_VALUE:
            return json.is_null();
        case Type::BOOL:
            return json.kind() == Json::Kind::boolean && json.get<bool>() == bool(element);
        case Type::INT64:
            return json.kind() == Json::Kind::integer && json.get<std::int64_t>() == std::int64_t(element);
        case Type::UINT64:
            return json.is_integer() && json.get<std::uint64_t>() == std::uint64_t(element);
        case Type::DOUBLE:
            return json.kind() == Json::Kind::real && json.get<double>() == double(element);
        case Type::STRING:
            return json.is_string() && json.string() == std::string_view(element);
        case Type::ARRAY: {
            std::size_t i = 0;
            for (auto item : simdjson::dom::array(element))
                if (i >= json.items().size() || !same(json[i++], item)) return false;
            return i == json.items().size();
        }
        case Type::OBJECT: {
            std::size_t i = 0;
            for (auto field : simdjson::dom::object(element)) {
                if (i >= json.members().size()) return false;
                const auto& [key, value] = json.members()[i++];
                if (key != field.key || !same(value, field.value)) return false;
            }
            return i == json.members().size();
        }
        default:  // what only newer versions have, when asked for it
            return false;
    }
}

/// Whether there is a number in it that may have been an integer beyond 64 bits, which simdjson refuses.
bool has_large(const Json& json) {
    if (json.is_array())
        for (const auto& item : json.items())
            if (has_large(item)) return true;
    if (json.is_object())
        for (const auto& member : json.members())
            if (has_large(member.second)) return true;
    return json.kind() == Json::Kind::real && std::abs(json.get<double>()) >= 0x1p63;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    static simdjson::dom::parser peer;
    simdjson::dom::element element;
    bool valid = peer.parse(text.data(), text.size()).get(element) == simdjson::SUCCESS;
    Json json;
    try {
        json = Json::parse(text);
    } catch (const JsonError& error) {
        // Valid JSON is refused only for what this reader forbids beyond the grammar.
        std::string_view what = error.what();
        bool forbidden =
            what.find("is duplicated") != what.npos || what.find("nested too deeply") != what.npos;
        if (valid && !forbidden) std::abort();
        return 0;
    }
    if (valid ? !same(json, element) : !has_large(json)) std::abort();
    for (int indent : {0, 2})
        if (Json::parse(json.dump(indent)) != json) std::abort();
    if (Json::parse(json.dump()).dump() != json.dump()) std::abort();
    return 0;
}
