#pragma once

#include <magnetar/wire/json.hpp>

#include <algorithm>
#include <charconv>

#include <magnetar/base/detail/quantity.hpp>
#include <magnetar/wire/bytes.hpp>
#include <magnetar/wire/utf8.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

MAGNETAR_DECL const char* kind_name(Json::Kind kind) noexcept {
    switch (kind) {
        case Json::Kind::null:
            return "null";
        case Json::Kind::boolean:
            return "a truth value";
        case Json::Kind::integer:
        case Json::Kind::unsigned_integer:
            return "an integer";
        case Json::Kind::real:
            return "a number";
        case Json::Kind::text:
            return "a string";
        case Json::Kind::array:
            return "an array";
        case Json::Kind::object:
            return "an object";
    }
    return "nothing";
}

MAGNETAR_DECL Json JsonAccess::array(std::size_t capacity) {
    Json json = Json::array();
    items(json).reserve(capacity);
    return json;
}

MAGNETAR_DECL Json JsonAccess::object(std::size_t capacity) {
    Json json = Json::object();
    members(json).reserve(capacity);
    return json;
}

MAGNETAR_DECL void JsonAccess::append(Json& array, Json item) { items(array).push_back(std::move(item)); }

MAGNETAR_DECL void JsonAccess::append(Json& object, std::string_view name, Json value) {
    members(object).emplace_back(name, std::move(value));
}

MAGNETAR_DECL const std::string* find_duplicate(std::span<const Json::Member> members) {
    if (members.size() <= 8) {
        for (std::size_t i = 1; i < members.size(); ++i)
            for (std::size_t j = 0; j < i; ++j)
                if (members[i].first == members[j].first) return &members[i].first;
        return nullptr;
    }
    std::vector<const std::string*> keys;
    keys.reserve(members.size());
    for (const auto& member : members) keys.push_back(&member.first);
    std::sort(keys.begin(), keys.end(), [](auto* a, auto* b) { return *a < *b; });
    auto twice = std::adjacent_find(keys.begin(), keys.end(), [](auto* a, auto* b) { return *a == *b; });
    return twice == keys.end() ? nullptr : *twice;
}

MAGNETAR_DECL void append_step(std::string& path, std::string_view key) {
    bool plain = std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
    if (plain && !key.empty()) path.append(".").append(key);
    else path.append("[\"").append(key).append("\"]");
}

MAGNETAR_DECL void dump_text(Writer& out, std::string_view text) {
    if (!is_utf8(text))
        throw JsonError("json: a string is not valid UTF-8; send bytes as std::vector<std::byte>");
    out.append("\"");
    std::size_t plain = 0;  // start of the pending bytes, which need no escape
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto byte = static_cast<unsigned char>(text[i]);
        if (byte >= 0x20 && byte != '"' && byte != '\\') [[likely]]
            continue;
        out.append(text.substr(plain, i - plain));
        plain = i + 1;
        constexpr std::string_view hex = "0123456789abcdef", letters = "btn?fr";
        char escape[] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
        if (byte >= 0x20) escape[1] = static_cast<char>(byte);
        else if (byte >= 8 && byte <= 13 && byte != 11) escape[1] = letters[byte - 8];
        out.append(std::string_view(escape, escape[1] == 'u' ? 6 : 2));
    }
    out.append(text.substr(plain));
    out.append("\"");
}

/// The shortest text that reads back as the same number, with a point or an exponent so that it stays a real
/// number.
MAGNETAR_DECL void dump_real(Writer& out, double value) {
    char text[32];
    auto* end = std::to_chars(text, text + sizeof(text), value).ptr;
    if (std::none_of(text, end, [](char c) { return c == '.' || c == 'e'; })) *end++ = '.', *end++ = '0';
    out.append(std::string_view(text, static_cast<std::size_t>(end - text)));
}
template <std::integral Integer>
void dump_integer(Writer& out, Integer value) {
    char text[24];
    auto* end = std::to_chars(text, text + sizeof(text), value).ptr;
    out.append(std::string_view(text, static_cast<std::size_t>(end - text)));
}

MAGNETAR_DECL void dump_json(Writer& out, const Json& json, int indent, int depth) {
    auto line = [&](int level) {
        if (indent <= 0) return;
        out.append("\n");
        for (int i = 0; i < indent * level; ++i) out.append(" ");
    };
    auto list = [&](const auto& each, std::string_view brackets, auto dump_one) {
        if (depth >= max_nesting) throw JsonError("json: nested too deeply");
        out.append(brackets.substr(0, 1));
        bool first = true;
        for (const auto& one : each) {
            if (!std::exchange(first, false)) out.append(",");
            line(depth + 1);
            dump_one(one);
        }
        if (!first) line(depth);
        out.append(brackets.substr(1));
    };
    switch (json.kind()) {
        case Json::Kind::null:
            return out.append("null");
        case Json::Kind::boolean:
            return out.append(JsonAccess::boolean(json) ? "true" : "false");
        case Json::Kind::integer:
            return dump_integer(out, JsonAccess::integer(json));
        case Json::Kind::unsigned_integer:
            return dump_integer(out, JsonAccess::unsigned_integer(json));
        case Json::Kind::real:
            return dump_real(out, JsonAccess::real(json));
        case Json::Kind::text:
            return dump_text(out, JsonAccess::text(json));
        case Json::Kind::array:
            return list(JsonAccess::items(json), "[]",
                        [&](const Json& item) { dump_json(out, item, indent, depth + 1); });
        case Json::Kind::object:
            return list(JsonAccess::members(json), "{}", [&](const Json::Member& member) {
                dump_text(out, member.first);
                out.append(indent > 0 ? ": " : ":");
                dump_json(out, member.second, indent, depth + 1);
            });
    }
}

/// Compared as numbers, without rounding: 2^53 + 1 as an integer is not 2^53 as a real.
MAGNETAR_DECL bool equal_numbers(const Json& a, const Json& b) noexcept {
    if (a.kind() == b.kind() && a.is_integer())
        return JsonAccess::unsigned_integer(a) == JsonAccess::unsigned_integer(b);
    if (a.is_integer() && b.is_integer()) return false;  // one is above the greatest int64, the other is not
    if (b.is_integer()) return equal_numbers(b, a);
    double real = JsonAccess::real(b);
    if (!a.is_integer()) return JsonAccess::real(a) == real;
    auto same = [real](auto integer) {  // converted back, so that neither a fraction nor a rounding is missed
        auto truncated = static_cast<decltype(integer)>(real);
        return truncated == integer && static_cast<double>(truncated) == real;
    };
    if (a.kind() == Json::Kind::integer)
        return real >= -0x1p63 && real < 0x1p63 && same(JsonAccess::integer(a));
    return real >= 0 && real < 0x1p64 && same(JsonAccess::unsigned_integer(a));
}

/// The order is usually the same; if not, both are sorted, because a search for each member would be
/// quadratic.
MAGNETAR_DECL bool equal_members(std::span<const Json::Member> a, std::span<const Json::Member> b) {
    if (a.size() != b.size()) return false;
    if (std::equal(a.begin(), a.end(), b.begin(), [](auto& x, auto& y) { return x.first == y.first; }))
        return std::equal(a.begin(), a.end(), b.begin(),
                          [](auto& x, auto& y) { return x.second == y.second; });
    auto sorted = [](std::span<const Json::Member> members) {
        std::vector<const Json::Member*> pointers;
        for (const auto& member : members) pointers.push_back(&member);
        std::sort(pointers.begin(), pointers.end(), [](auto* x, auto* y) { return x->first < y->first; });
        return pointers;
    };
    auto left = sorted(a), right = sorted(b);
    return std::equal(left.begin(), left.end(), right.begin(),
                      [](auto* x, auto* y) { return x->first == y->first && x->second == y->second; });
}

}  // namespace detail

MAGNETAR_DECL Json::Json(std::initializer_list<Member> members) : Json() {
    become(Kind::object);
    for (const auto& [key, value] : members) (*this)[key] = value;
}

MAGNETAR_DECL Json::Json(const Json& other) : kind_(other.kind_), unsigned_(other.unsigned_) {
    if (kind_ == Kind::text) text_ = new Text(*other.text_);
    else if (kind_ == Kind::null) text_ = nullptr;
    else if (kind_ == Kind::array) items_ = new Items(*other.items_);
    else if (kind_ == Kind::object) members_ = new Members(*other.members_);
}

MAGNETAR_DECL void Json::destroy() noexcept {
    if (kind_ == Kind::text || kind_ == Kind::null) delete text_;
    else if (kind_ == Kind::array) delete items_;
    else if (kind_ == Kind::object) delete members_;
}

MAGNETAR_DECL Json Json::array(std::initializer_list<Json> items) {
    Json result;
    result.become(Kind::array);
    result.items_->assign(items.begin(), items.end());
    return result;
}

MAGNETAR_DECL Json Json::object(std::initializer_list<Member> members) { return Json(members); }

MAGNETAR_DECL void Json::dump_to(Writer& out, int indent) const { detail::dump_json(out, *this, indent, 0); }

MAGNETAR_DECL std::string Json::dump(int indent) const {
    Writer out;
    dump_to(out, indent);
    return std::string(out.text());
}

MAGNETAR_DECL std::size_t Json::size() const noexcept {
    return is_array() ? items_->size() : is_object() ? members_->size() : 0;
}

/// Converts null to an empty array or object on first use.
MAGNETAR_DECL void Json::become(Kind kind) {
    if (is_null()) {
        Json made;
        if (kind == Kind::array) made.items_ = new Items;
        else made.members_ = new Members;
        made.kind_ = kind;
        swap(made);
    }
    expect(kind);
}

MAGNETAR_DECL void Json::refuse(Kind expected) const {
    if (const std::string* path = missing()) throw JsonError("json: " + *path + ": there is no such member");
    throw JsonError(std::string("json: this is ") + detail::kind_name(kind_) + ", not " +
                    detail::kind_name(expected));
}

MAGNETAR_DECL const std::string& Json::string() const {
    expect(Kind::text);
    return *text_;
}

MAGNETAR_DECL Json& Json::operator[](std::string_view key) {
    if (Json* found = find(key)) return *found;
    std::string path = missing() ? *missing() : "$";
    detail::append_step(path, key);
    become(Kind::object);
    Json& made = members_->emplace_back(std::string(key), Json()).second;
    made.text_ = new Text(std::move(path));
    return made;
}

MAGNETAR_DECL const Json& Json::at(std::string_view key) const {
    expect(Kind::object);
    if (const Json* found = find(key)) return *found;
    throw JsonError("json: there is no member \"" + std::string(key) + "\"");
}

MAGNETAR_DECL const Json* Json::find(std::string_view key) const noexcept {
    if (!is_object()) return nullptr;
    for (const auto& member : *members_)
        if (member.first == key) return &member.second;
    return nullptr;
}

MAGNETAR_DECL bool Json::erase(std::string_view key) {
    return is_object() &&
           std::erase_if(*members_, [key](const Member& member) { return member.first == key; }) > 0;
}

MAGNETAR_DECL const Json& Json::item(std::size_t index) const {
    expect(Kind::array);
    if (index >= items_->size())
        throw JsonError("json: an array of " + detail::quantity(items_->size(), "item") +
                        " has no such item");
    return (*items_)[index];
}

MAGNETAR_DECL void Json::push_back(Json item) {
    become(Kind::array);
    items_->push_back(std::move(item));
}

MAGNETAR_DECL std::span<const Json> Json::items() const {
    expect(Kind::array);
    return *items_;
}
MAGNETAR_DECL std::span<Json> Json::items() {
    expect(Kind::array);
    return *items_;
}
MAGNETAR_DECL std::span<const Json::Member> Json::members() const {
    expect(Kind::object);
    return *members_;
}

MAGNETAR_DECL bool Json::equals(const Json& other) const {
    if (is_number() && other.is_number()) return detail::equal_numbers(*this, other);
    if (kind_ != other.kind_) return false;
    switch (kind_) {
        case Kind::boolean:
            return boolean_ == other.boolean_;
        case Kind::text:
            return *text_ == *other.text_;
        case Kind::array:
            return *items_ == *other.items_;
        case Kind::object:
            return detail::equal_members(*members_, *other.members_);
        default:
            return true;
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE
