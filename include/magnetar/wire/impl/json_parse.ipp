// Json::parse: the only file that includes simdjson. It uses the document parser, because the on-demand
// parser (3.0) reads real numbers of more than 19 digits incorrectly and accepts words that only begin like
// `false`.
#pragma once

#include <magnetar/wire/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <system_error>

// The simdjson library selects the parser for the processor at run time. Its header would also include all of
// them as source, for the on-demand parser: half of its compile time. Excluded are those that the target
// options of this compilation do not permit, so the header does not select them for anything.
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

/// A word of the text that begins like a number.
struct NumberWord {
    std::size_t at = 0;
    std::string_view word{};
    bool valid = false;      // as JSON defines numbers
    bool integer = false;    // without point and exponent
    bool too_large = false;  // for 64 bits if an integer, otherwise for a double
};

/// Whether the number is 1 or more: if it is out of range for a double, it is then too large, not too small.
MAGNETAR_DECL bool is_above_one(std::string_view word) {
    auto digits = word.substr(word[0] == '-');
    auto end = digits.find_first_of("eE");
    auto mantissa = digits.substr(0, end);
    auto first = mantissa.find_first_not_of("0.");
    if (first == mantissa.npos) return false;
    auto point = std::min(mantissa.find('.'), mantissa.size());
    // Distance of the first significant digit from the point, to the left; texts are shorter than 2^32.
    auto magnitude = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
    if (end == digits.npos) return magnitude > 0;
    auto exponent = digits.substr(end + 1);
    exponent.remove_prefix(exponent[0] == '+');
    std::int64_t power = exponent[0] == '-' ? INT64_MIN / 2 : INT64_MAX / 2;
    std::from_chars(exponent.data(), exponent.data() + exponent.size(), power);
    power = std::clamp(power, INT64_MIN / 2, INT64_MAX / 2);
    return magnitude + power > 0;
}

MAGNETAR_DECL NumberWord read_number(std::string_view text, std::size_t at) {
    auto end = std::min(text.find_first_of(" \t\r\n,:[]{}\"", at), text.size());
    NumberWord number{at, text.substr(at, end - at)};
    std::string_view left = number.word;
    auto digits = [&left] {
        auto count = std::min(left.find_first_not_of("0123456789"), left.size());
        left.remove_prefix(count);
        return count;
    };
    left.remove_prefix(left[0] == '-');
    bool zero = left.starts_with('0');
    auto whole = digits();
    number.valid = whole > 0 && !(zero && whole > 1);
    number.integer = left.empty();
    if (left.starts_with('.')) left.remove_prefix(1), number.valid &= digits() > 0;
    if (left.starts_with('e') || left.starts_with('E')) {
        left.remove_prefix(1);
        if (left.starts_with('+') || left.starts_with('-')) left.remove_prefix(1);
        number.valid &= digits() > 0;
    }
    number.valid &= left.empty();
    if (!number.valid) return number;
    const char *begin = number.word.data(), *stop = begin + number.word.size();
    std::uint64_t positive = 0;
    std::int64_t negative = 0;
    double real = 0;
    auto out_of_range = [](std::from_chars_result result) {
        return result.ec == std::errc::result_out_of_range;
    };
    if (!number.integer)
        number.too_large = out_of_range(std::from_chars(begin, stop, real)) && is_above_one(number.word);
    else if (*begin == '-') number.too_large = out_of_range(std::from_chars(begin, stop, negative));
    else number.too_large = out_of_range(std::from_chars(begin, stop, positive));
    return number;
}

/// Calls `use` for each number outside strings, until it returns true.
template <class Use>
void find_number(std::string_view text, Use use) {
    for (std::size_t i = 0; i < text.size();) {
        char c = text[i];
        if (c == '"') {
            for (++i; i < text.size() && text[i] != '"'; ++i)
                if (text[i] == '\\') ++i;
            ++i;
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            NumberWord number = read_number(text, i);
            if (use(number)) return;
            i += number.word.size();
        } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '.') {
            i = std::min(text.find_first_of(" \t\r\n,:[]{}\"", i), text.size());
        } else {
            ++i;
        }
    }
}

/// The text with `e0` appended to every integer beyond 64 bits, so that it is read as a double; nothing if
/// there is none.
MAGNETAR_DECL std::optional<std::string> widen_integers(std::string_view text) {
    std::string widened;
    std::size_t copied = 0;
    find_number(text, [&](const NumberWord& number) {
        if (number.integer && number.too_large) {
            auto end = number.at + number.word.size();
            widened.append(text.substr(copied, end - copied)).append("e0");
            copied = end;
        }
        return false;
    });
    if (copied == 0) return std::nullopt;
    widened.append(text.substr(copied));
    return widened;
}

/// The position of the first number that cannot be read, and the reason; empty if there is none.
MAGNETAR_DECL std::string number_error(std::string_view text) {
    std::string reason;
    find_number(text, [&](const NumberWord& number) {
        double real = 0;
        const char* end = number.word.data() + number.word.size();
        bool too_large = number.too_large;
        if (number.integer && too_large)
            too_large = std::from_chars(number.word.data(), end, real).ec == std::errc::result_out_of_range;
        if (number.valid && !too_large) return false;
        std::string word(number.word.substr(0, 40));
        if (word.size() < number.word.size()) word += "...";
        reason = "byte " + std::to_string(number.at) + ": ";
        reason +=
            number.valid ? "the number " + word + " is too large for a double" : word + " is not a number";
        return true;
    });
    return reason;
}

class JsonParser {
public:
    Json parse(std::string_view text) {
        simdjson::dom::element root;
        auto error = read(text, root);
        // simdjson versions report different errors for a number that is too large.
        if (error && reason(error) == nullptr)
            if (auto widened = widen_integers(text)) error = read(*widened, root);
        if (error) refuse(error, text);
        Json result = build(root, 0);
        if (padded_.size() > largest_kept) *this = JsonParser();
        return result;
    }

private:
    static constexpr std::size_t largest_kept = 1 << 20;

    simdjson::error_code read(std::string_view text, simdjson::dom::element& root) {
        // simdjson reads whole registers, beyond the end of the text. The memory is kept for the next text,
        // up to a limit.
        auto needed = text.size() + simdjson::SIMDJSON_PADDING;
        if (padded_.size() < needed) padded_.resize(needed);
        if (!text.empty()) std::memcpy(padded_.data(), text.data(), text.size());
        std::memset(padded_.data() + text.size(), ' ', simdjson::SIMDJSON_PADDING);
        return parser_.parse(padded_.data(), text.size(), false).get(root);
    }

    /// Custom texts, because simdjson changes its own; nullptr for numbers, and for errors that only some
    /// versions have.
    static const char* reason(simdjson::error_code error) noexcept {
        switch (error) {
            case simdjson::CAPACITY:
                return "the text is too long";
            case simdjson::MEMALLOC:
                return "out of memory";
            case simdjson::TAPE_ERROR:
                return "not a single JSON value: a comma, colon, bracket or value is missing or superfluous";
            case simdjson::DEPTH_ERROR:
                return "nested too deeply";
            case simdjson::STRING_ERROR:
                return "a string with a bad escape";
            case simdjson::T_ATOM_ERROR:
            case simdjson::F_ATOM_ERROR:
            case simdjson::N_ATOM_ERROR:
                return "a word other than true, false and null";
            case simdjson::UTF8_ERROR:
                return "the text is not valid UTF-8";
            case simdjson::EMPTY:
                return "the text is empty";
            case simdjson::UNESCAPED_CHARS:
                return "a control character in a string";
            case simdjson::UNCLOSED_STRING:
                return "a string without an end";
            default:
                return nullptr;
        }
    }

    [[noreturn]] static void refuse(simdjson::error_code error, std::string_view text) {
        const char* known = reason(error);
        std::string why = known ? known : number_error(text);
        if (why.empty()) why = simdjson::error_message(error);
        throw JsonError("json: " + why);
    }

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
            default:  // newer versions have integers beyond 64 bits, but only on request
                throw JsonError("json: a value of an unknown kind");
        }
    }

    static Json build_array(simdjson::dom::array array, int depth) {
        if (depth >= max_nesting) throw JsonError("json: nested too deeply");
        Json result = JsonAccess::array(array.size());
        auto& items = JsonAccess::items(result);
        for (auto item : array) items.push_back(build(item, depth + 1));
        return result;
    }

    static Json build_object(simdjson::dom::object object, int depth) {
        if (depth >= max_nesting) throw JsonError("json: nested too deeply");
        Json result = JsonAccess::object(object.size());
        auto& members = JsonAccess::members(result);
        for (auto [key, value] : object) members.emplace_back(key, build(value, depth + 1));
        if (auto* twice = find_duplicate(members))
            throw JsonError("json: the member \"" + *twice + "\" is duplicated");
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
