// Json::parse: the only file that includes simdjson. Its document parser, because the on-demand one (3.0) reads
// real numbers of more than 19 digits wrongly and accepts words that merely begin like `false`.
#pragma once

#include <magnetar/wire/json.hpp>

#include <cstring>

// The library picks the parser of the processor it runs on. The header would bring all of them in source, too,
// for the on-demand parser: half of what it costs to compile. Left out are those that this compilation could
// not count on, and which the header therefore does not choose for anything.
#if !defined(__AVX512VBMI2__) && !defined(SIMDJSON_IMPLEMENTATION_ICELAKE)
#define SIMDJSON_IMPLEMENTATION_ICELAKE 0
#endif
#if !defined(__AVX2__) && !defined(SIMDJSON_IMPLEMENTATION_HASWELL)
#define SIMDJSON_IMPLEMENTATION_HASWELL 0
#endif
#if !defined(__SSE4_2__) && !defined(SIMDJSON_IMPLEMENTATION_WESTMERE)
#define SIMDJSON_IMPLEMENTATION_WESTMERE 0
#endif
#include <simdjson.h>

namespace magnetar::inline MAGNETAR_MODE::detail {

class JsonParser {
public:
    Json parse(std::string_view text) {
        // simdjson reads whole registers, beyond the end. The memory is kept for the next text unless it is
        // much.
        auto needed = text.size() + simdjson::SIMDJSON_PADDING;
        if (padded_.size() < needed) padded_.resize(needed);
        if (!text.empty()) std::memcpy(padded_.data(), text.data(), text.size());
        std::memset(padded_.data() + text.size(), ' ', simdjson::SIMDJSON_PADDING);

        simdjson::dom::element root;
        auto error = parser_.parse(padded_.data(), text.size(), false).get(root);
        if (error) throw JsonError(std::string("json: ") + simdjson::error_message(error));
        Json result = build(root, 0);
        if (needed > largest_kept) *this = JsonParser();
        return result;
    }

private:
    static constexpr std::size_t largest_kept = 1 << 20;

    static Json build(simdjson::dom::element element, int depth) {
        using Type = simdjson::dom::element_type;
        switch (element.type()) {
            case Type::NULL_VALUE:
                return Json();
            case Type::BOOL:
                return Json(bool(element));
            case Type::INT64:
                return Json(std::int64_t(element));
            case Type::UINT64:
                return Json(std::uint64_t(element));
            case Type::DOUBLE:
                return Json(double(element));
            case Type::STRING:
                return Json(std::string_view(element));
            case Type::ARRAY:
                return build_array(element, depth);
            case Type::OBJECT:
                return build_object(element, depth);
        }
        return Json();
    }

    static Json build_array(simdjson::dom::array array, int depth) {
        if (depth >= max_nesting) throw JsonError("json: nested too deeply");
        Json result = Json::array();
        auto& items = JsonAccess::items(result);
        items.reserve(array.size());
        for (auto item : array) items.push_back(build(item, depth + 1));
        return result;
    }

    static Json build_object(simdjson::dom::object object, int depth) {
        if (depth >= max_nesting) throw JsonError("json: nested too deeply");
        Json result = Json::object();
        auto& members = JsonAccess::members(result);
        members.reserve(object.size());
        for (auto [key, value] : object) members.emplace_back(key, build(value, depth + 1));
        if (auto* twice = find_duplicate(members))
            throw JsonError("json: the member \"" + *twice + "\" is there twice");
        return result;
    }

    std::string padded_;
    simdjson::dom::parser parser_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL Json Json::parse(std::string_view text) {
    thread_local detail::JsonParser parser;
    return parser.parse(text);
}

}  // namespace magnetar::inline MAGNETAR_MODE
