#pragma once

#include <magnetar/wire/detail/binary_codec.hpp>

#include <magnetar/wire/json.hpp>

// The binary form of a Json: its kind, then its value.
namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void encode_json(Writer& out, const Json& json, int depth) {
    if (depth > max_nesting) out.fail("nested too deeply");
    *out.extend(1) = static_cast<std::byte>(json.kind());
    switch (json.kind()) {
        case Json::Kind::null:
            break;
        case Json::Kind::boolean:
            return encode_value(out, JsonAccess::boolean(json), depth);
        case Json::Kind::integer:
            return out.put(JsonAccess::integer(json));
        case Json::Kind::unsigned_integer:
            return out.put(JsonAccess::unsigned_integer(json));
        case Json::Kind::real:
            return out.put(JsonAccess::real(json));
        case Json::Kind::text:
            return encode_value(out, JsonAccess::text(json), depth);
        case Json::Kind::array:
            return encode_value(out, JsonAccess::items(json), depth);
        case Json::Kind::object:
            return encode_value(out, JsonAccess::members(json), depth);
    }
}

MAGNETAR_DECL Json decode_json(Reader& in, int depth) {
    if (depth > max_nesting) in.fail("nested too deeply");
    Json json;
    switch (static_cast<Json::Kind>(*in.take(1))) {
        case Json::Kind::null:
            return json;
        case Json::Kind::boolean:
            return Json(decode_value<bool>(in, depth));
        case Json::Kind::integer:
            return Json(in.get<std::int64_t>());
        case Json::Kind::unsigned_integer: {
            auto value = in.get<std::uint64_t>();
            if (value <= INT64_MAX) in.fail("an integer of the wrong signedness");
            return Json(value);
        }
        case Json::Kind::real: {
            auto value = in.get<double>();
            if (!is_finite(value)) in.fail("there is no NaN and no infinity in JSON");
            return Json(value);
        }
        case Json::Kind::text:
            return Json(decode_value<std::string>(in, depth));
        case Json::Kind::array:
            json = Json::array();
            JsonAccess::items(json) = decode_value<std::vector<Json>>(in, depth);
            return json;
        case Json::Kind::object: {
            json = Json::object();
            auto& members = JsonAccess::members(json) = decode_value<std::vector<Json::Member>>(in, depth);
            if (find_duplicate(members) != nullptr) in.fail("an object with a duplicate member");
            return json;
        }
    }
    in.fail("an unknown kind of Json");
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
