#pragma once

#include <cstring>

#include <simdjson.h>

#include <magnetar/wire/detail/json_value.hpp>
#include <magnetar/wire/json.hpp>

// The only file that includes simdjson.
namespace magnetar::detail {

/// Builds a Json from simdjson's cursor over the text, whose `value()` throws simdjson_error at the first fault.
class JsonParser {
public:
    Json parse(std::string_view text) {
        if (text.empty()) throw JsonError("json: the text is empty");
        // simdjson reads whole registers, beyond the end. The memory is kept for the next text unless it is huge.
        auto needed = text.size() + simdjson::SIMDJSON_PADDING;
        if (padded_.size() < needed) padded_.resize(needed);
        std::memcpy(padded_.data(), text.data(), text.size());
        std::memset(padded_.data() + text.size(), ' ', simdjson::SIMDJSON_PADDING);
        simdjson::ondemand::document document;
        bool started = false;
        try {
            document = parser_.iterate(padded_.data(), text.size(), padded_.size()).value();
            started = true;
            Json result = build(document, 0);
            if (document.current_location().error() == simdjson::SUCCESS) throw simdjson::simdjson_error(simdjson::TRAILING_CONTENT);
            if (needed > largest_kept) *this = JsonParser();
            return result;
        } catch (const simdjson::simdjson_error& error) {
            // Asked for the type that its first letter promises, a value has another one only if it is misspelt.
            const char* what = error.error() == simdjson::INCORRECT_TYPE ? "This is not a JSON value"
                                                                         : simdjson::error_message(error.error());
            throw JsonError(std::string("json: ") + what + (started ? place(document, text.size()) : ""));
        }
    }

private:
    static constexpr std::size_t largest_kept = 1 << 20;

    template <class Node>
    static Json build(Node& node, int depth) {
        using Type = simdjson::ondemand::json_type;
        switch (node.type().value()) {
            case Type::array: return build_array(node.get_array().value(), depth);
            case Type::object: return build_object(node.get_object().value(), depth);
            case Type::string: return Json(std::string_view(node.get_string().value()));
            case Type::boolean: return Json(bool(node.get_bool().value()));
            case Type::number: return build_number(node.get_number().value());
            case Type::null: break;
        }
        if (!node.is_null()) throw simdjson::simdjson_error(simdjson::N_ATOM_ERROR);
        return Json();
    }

    static Json build_number(simdjson::ondemand::number number) {
        if (number.is_int64()) return Json(number.get_int64());
        if (number.is_uint64()) return Json(number.get_uint64());
        return Json(number.get_double());
    }

    static Json build_array(simdjson::ondemand::array array, int depth) {
        if (depth >= max_nesting) throw simdjson::simdjson_error(simdjson::DEPTH_ERROR);
        Json result = Json::array();
        for (auto item : array) {
            auto node = item.value();
            JsonAccess::items(result).push_back(build(node, depth + 1));
        }
        return result;
    }

    static Json build_object(simdjson::ondemand::object object, int depth) {
        if (depth >= max_nesting) throw simdjson::simdjson_error(simdjson::DEPTH_ERROR);
        Json result = Json::object();
        auto& members = JsonAccess::members(result);
        for (auto field : object) {
            std::string key(field.unescaped_key().value());
            auto node = field.value().value();
            members.emplace_back(std::move(key), build(node, depth + 1));
        }
        if (auto* twice = find_duplicate(members)) throw JsonError("json: the member \"" + *twice + "\" is there twice");
        return result;
    }

    /// Where the cursor stopped.
    std::string place(simdjson::ondemand::document& document, std::size_t size) const {
        const char* at = nullptr;
        if (document.current_location().get(at) != simdjson::SUCCESS) return "";
        auto offset = static_cast<std::size_t>(at - padded_.data());
        return " (at byte " + std::to_string(std::min(offset, size)) + ")";
    }

    std::string padded_;
    simdjson::ondemand::parser parser_;
};

}  // namespace magnetar::detail

namespace magnetar {

inline Json Json::parse(std::string_view text) {
    thread_local detail::JsonParser parser;
    return parser.parse(text);
}

}  // namespace magnetar
