#pragma once
#include <magnetar/wire/detail/transcode.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <magnetar/wire/base64.hpp>
#include <magnetar/wire/detail/binary_codec.hpp>
#include <magnetar/wire/detail/json_convert.hpp>
#include <magnetar/wire/utf8.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// ---- numbers

struct WrittenReal {
    std::string_view text;
    double value;
};
inline constexpr std::array<WrittenReal, 3> written_reals{
    {{"NaN", std::numeric_limits<double>::quiet_NaN()},
     {"Infinity", std::numeric_limits<double>::infinity()},
     {"-Infinity", -std::numeric_limits<double>::infinity()}}};

inline Json real_to_json(double real) {
    if (is_finite(real)) return Json(real);
    return Json(written_reals[real != real ? 0 : real > 0 ? 1 : 2].text);
}
inline std::uint64_t get_unsigned(Reader& in, std::size_t size) {
    switch (size) {
        case 1:
            return in.get<std::uint8_t>();
        case 2:
            return in.get<std::uint16_t>();
        case 4:
            return in.get<std::uint32_t>();
        default:
            return in.get<std::uint64_t>();
    }
}
inline void put_unsigned(Writer& out, std::uint64_t bits, std::size_t size) {
    switch (size) {
        case 1:
            return out.put(static_cast<std::uint8_t>(bits));
        case 2:
            return out.put(static_cast<std::uint16_t>(bits));
        case 4:
            return out.put(static_cast<std::uint32_t>(bits));
        default:
            return out.put(bits);
    }
}

inline Json number_to_json(Reader& in, const TypeShape& type) {
    std::uint64_t bits = get_unsigned(in, type.size);
    if (type.is_real && type.size == 4)
        return real_to_json(static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits))));
    if (type.is_real) return real_to_json(std::bit_cast<double>(bits));
    if (!type.is_signed) return Json(bits);
    int unused = 64 - 8 * type.size;
    return Json(static_cast<std::int64_t>(bits << unused) >> unused);
}

inline void json_to_real(const Json& json, Writer& out, const TypeShape& type, const Path& path) {
    std::optional<double> real;
    if (json.is_string()) {
        for (const WrittenReal& written : written_reals)
            if (json.string() == written.text) real = written.value;
    }
    if (!real) real = from_json_value<double>(json, path);
    if (type.size == 8) return out.put(*real);
    if (is_finite(*real)) (void)from_json_value<float>(json, path);  // throws if it does not fit
    out.put(static_cast<float>(*real));
}
inline void json_to_number(const Json& json, Writer& out, const TypeShape& type, const Path& path) {
    if (type.is_real) return json_to_real(json, out, type, path);
    if (json.kind() == Json::Kind::real) path.fail(json.dump() + " is not an integer");
    if (!json.is_integer()) fail_kind(path, json, "an integer");
    std::uint64_t bits = JsonAccess::unsigned_integer(json);
    bool negative = json.kind() == Json::Kind::integer && JsonAccess::integer(json) < 0;
    // The number of value bits of the type: bounds its maximum, and the complement of its minimum.
    int width = 8 * type.size - type.is_signed;
    bool fits =
        negative ? type.is_signed && (~bits >> (width - 1) >> 1) == 0 : (bits >> (width - 1) >> 1) == 0;
    if (!fits) path.fail(json.dump() + " does not fit in " + std::string(type.type));
    put_unsigned(out, bits, type.size);
}

// ---- texts

inline std::string get_text(Reader& in) { return decode_value<std::string>(in, 0); }
inline Json text_to_json(std::string text) {
    if (is_utf8(text)) return Json(std::move(text));
    Json json = Json::object();
    json["base64"] = base64_encode(std::as_bytes(std::span(text)));
    return json;
}
inline std::vector<std::byte> from_base64(const Json& json, const Path& path) {
    return from_json_value<std::vector<std::byte>>(json, path);
}
inline void json_to_text(const Json& json, Writer& out, const Path& path) {
    const Json* packed = json.size() == 1 ? json.find("base64") : nullptr;
    if (packed) encode_value(out, from_base64(*packed, path.member("base64")), 0);
    else encode_value(out, expect_text(path, json), 0);
}

// ---- from binary to JSON

Json to_json_at(Reader& in, const TypeShape& type, int depth);

inline Json items_to_json(Reader& in, const TypeShape& item, std::size_t count, int depth) {
    Json items = Json::array();
    for (; count > 0; --count) JsonAccess::append(items, to_json_at(in, item, depth));
    return items;
}
inline Json map_to_json(Reader& in, const TypeShape& type, int depth) {
    const TypeShape& key = *type.parts[0];
    auto count = in.get_count(1);
    Json pairs = Json::array(), object = Json::object();
    bool named = key.shape == Shape::text;  // while every key is a text that is valid in JSON
    for (; count > 0; --count) {
        Json name = to_json_at(in, key, depth), value = to_json_at(in, *type.parts[1], depth);
        named = named && name.is_string();
        Json pair = Json::array();
        pair.push_back(std::move(name));
        pair.push_back(std::move(value));
        pairs.push_back(std::move(pair));
    }
    if (!named) return pairs;
    for (Json& pair : pairs.items()) JsonAccess::append(object, pair[0].string(), std::move(pair[1]));
    return object;
}

MAGNETAR_DECL Json to_json_at(Reader& in, const TypeShape& type, int depth) {
    if (depth > max_nesting) in.fail("nested too deeply");
    auto part = [&](std::size_t i) { return to_json_at(in, *type.parts[i], depth); };
    auto zero_byte = [&] { expect_zero_byte<void>(in); };
    switch (type.shape) {
        case Shape::boolean:
            return Json(decode_value<bool>(in, 0));
        case Shape::number:
            return number_to_json(in, type);
        case Shape::enumeration:
        case Shape::duration:
        case Shape::time_point:
            return part(0);
        case Shape::custom:
            return to_json_at(in, *type.parts[0], depth + 1);
        case Shape::text:
        case Shape::path:
            return text_to_json(get_text(in));
        case Shape::bytes:
            return Json(base64_encode(decode_value<std::vector<std::byte>>(in, 0)));
        case Shape::optional: {
            if (!decode_value<bool>(in, 0)) return Json();
            Json value = part(0);
            if (!type.parts[0]->can_be_null) return value;
            Json boxed = Json::array();
            boxed.push_back(std::move(value));
            return boxed;
        }
        case Shape::variant: {
            auto index = in.get_varint();
            if (index >= type.count) in.fail("the variant has no alternative with this index");
            Json json = Json::object();
            json["index"] = index;
            json["value"] = part(index);
            return json;
        }
        case Shape::tuple: {
            if (type.count == 0) zero_byte();
            Json items = Json::array();
            for (std::size_t i = 0; i < type.count; ++i) JsonAccess::append(items, part(i));
            return items;
        }
        case Shape::array:
            if (type.count == 0) zero_byte();
            return items_to_json(in, *type.parts[0], type.count, depth);
        case Shape::sequence:
        case Shape::set:
            return items_to_json(in, *type.parts[0], in.get_count(1), depth);
        case Shape::map:
            return map_to_json(in, type, depth);
        case Shape::unit:
            zero_byte();
            return Json();
        case Shape::json:
            return decode_json(in, depth + 1);
        case Shape::aggregate: {
            if (type.count == 0) zero_byte();
            Json object = Json::object();
            for (std::size_t i = 0; i < type.count; ++i)
                JsonAccess::append(object, type.names[i], to_json_at(in, *type.parts[i], depth + 1));
            return object;
        }
        case Shape::none:
        case Shape::text_view:
        case Shape::bytes_view:
            break;
    }
    in.fail("a value that cannot be received");
}

MAGNETAR_DECL Json binary_to_json(Reader& in, const TypeShape& type) { return to_json_at(in, type, 0); }

// ---- from JSON to binary

void to_binary_at(const Json& json, Writer& out, const TypeShape& type, const Path& path, int depth);

inline void items_to_binary(const std::vector<Json>& items, Writer& out, const TypeShape& item,
                            const Path& path, int depth) {
    for (std::size_t i = 0; i < items.size(); ++i) to_binary_at(items[i], out, item, path.item(i), depth);
}
inline void map_to_binary(const Json& json, Writer& out, const TypeShape& type, const Path& path, int depth) {
    const TypeShape &key = *type.parts[0], &value = *type.parts[1];
    if (json.is_object() && key.shape == Shape::text) {
        out.put_varint(json.size());
        for (const auto& [name, mapped] : json.members()) {
            encode_value(out, name, 0);
            to_binary_at(mapped, out, value, path.member(name), depth);
        }
        return;
    }
    const auto& pairs = expect_items(path, json);
    out.put_varint(pairs.size());
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        Path at = path.item(i);
        const auto& pair = expect_items(at, pairs[i], 2);
        to_binary_at(pair[0], out, key, at.item(0), depth);
        to_binary_at(pair[1], out, value, at.item(1), depth);
    }
}
inline void fields_to_binary(const Json& json, Writer& out, const TypeShape& type, const Path& path,
                             int depth) {
    constexpr std::size_t most_struct_fields = 32;  // see Reflectable
    std::array<const Json*, most_struct_fields> found{};
    std::span<const std::string_view> names(type.names, type.count);
    expect_fields(json, names, found.data(), path);
    for (std::size_t i = 0; i < type.count; ++i)
        to_binary_at(*found[i], out, *type.parts[i], path.member(names[i]), depth);
}

MAGNETAR_DECL void to_binary_at(const Json& json, Writer& out, const TypeShape& type, const Path& path,
                                int depth) {
    if (depth > max_nesting) path.fail("nested too deeply");
    auto zero_byte = [&] { out.put(std::uint8_t{0}); };
    switch (type.shape) {
        case Shape::boolean:
            return out.put(from_json_value<bool>(json, path));
        case Shape::number:
            return json_to_number(json, out, type, path);
        case Shape::enumeration:
        case Shape::duration:
        case Shape::time_point:
            return to_binary_at(json, out, *type.parts[0], path, depth);
        case Shape::custom:
            return to_binary_at(json, out, *type.parts[0], path, depth + 1);
        case Shape::text:
        case Shape::path:
            return json_to_text(json, out, path);
        case Shape::bytes:
            return encode_value(out, from_base64(json, path), 0);
        case Shape::optional: {
            out.put(!json.is_null());
            if (json.is_null()) return;
            if (!type.parts[0]->can_be_null) return to_binary_at(json, out, *type.parts[0], path, depth);
            return to_binary_at(expect_items(path, json, 1)[0], out, *type.parts[0], path.item(0), depth);
        }
        case Shape::variant: {
            auto [number, value] =
                expect_fields(json, std::array<std::string_view, 2>{"index", "value"}, path);
            auto index = from_json_value<std::size_t>(*number, path.member("index"));
            if (index >= type.count)
                path.member("index").fail("the variant has no alternative with this index");
            out.put_varint(index);
            return to_binary_at(*value, out, *type.parts[index], path.member("value"), depth);
        }
        case Shape::tuple: {
            const auto& items = expect_items(path, json, type.count);
            if (type.count == 0) zero_byte();
            for (std::size_t i = 0; i < type.count; ++i)
                to_binary_at(items[i], out, *type.parts[i], path.item(i), depth);
            return;
        }
        case Shape::array: {
            const auto& items = expect_items(path, json, type.count);
            if (type.count == 0) zero_byte();
            return items_to_binary(items, out, *type.parts[0], path, depth);
        }
        case Shape::sequence:
        case Shape::set: {
            const auto& items = expect_items(path, json);
            out.put_varint(items.size());
            return items_to_binary(items, out, *type.parts[0], path, depth);
        }
        case Shape::map:
            return map_to_binary(json, out, type, path, depth);
        case Shape::unit:
            if (!json.is_null()) fail_kind(path, json, "null");
            return zero_byte();
        case Shape::json:
            return encode_json(out, json, depth + 1);
        case Shape::aggregate:
            if (type.count == 0) zero_byte();
            return fields_to_binary(json, out, type, path, depth + 1);
        case Shape::none:
        case Shape::text_view:
        case Shape::bytes_view:
            break;
    }
    path.fail("a value that cannot be received");
}

MAGNETAR_DECL void json_to_binary(const Json& json, Writer& out, const TypeShape& type) {
    to_binary_at(json, out, type, RootPath(&json), 0);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
