#pragma once

#include <magnetar/wire/detail/json_convert.hpp>

#include <algorithm>

#include <magnetar/base/detail/quantity.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL const RootPath& root_of(const Path& path) noexcept {
    const Path* at = &path;
    while (at->outer) at = at->outer;
    return static_cast<const RootPath&>(*at);
}

/// The path at which operator[] found no member, if it created this value.
MAGNETAR_DECL const std::string* missing_of(const Json* json) noexcept {
    return json && json->is_null() ? JsonAccess::missing(*json) : nullptr;
}

MAGNETAR_DECL std::string Path::text() const {
    if (outer == nullptr) {
        auto* missing = missing_of(static_cast<const RootPath&>(*this).json);
        return missing ? *missing : "$";
    }
    std::string text = outer->text();
    if (name.data() == nullptr) text.append("[").append(std::to_string(index)).append("]");
    else append_step(text, name);
    return text;
}

MAGNETAR_DECL void Path::fail(std::string reason) const { throw CodecError(text(), std::move(reason)); }

/// A cheap lower estimate of the size of the Json as text; the memory bound needs no more.
MAGNETAR_DECL std::size_t weigh(const Json& json) noexcept {
    std::size_t weight = 2;
    if (json.is_string()) weight += JsonAccess::text(json).size();
    else if (json.is_array())
        for (const Json& item : JsonAccess::items(json)) weight += weigh(item);
    else if (json.is_object())
        for (const auto& [key, value] : JsonAccess::members(json)) weight += key.size() + 4 + weigh(value);
    return weight;
}

MAGNETAR_DECL void Path::charge(std::size_t count, std::size_t size) const {
    const RootPath& root = root_of(*this);
    if (count > root.memory_left / size && !root.weighed) {
        root.weighed = true;
        root.memory_left += memory_factor * weigh(*root.json);
    }
    if (count > root.memory_left / size) fail("the value takes more memory than its input allows");
    root.memory_left -= count * size;
}

MAGNETAR_DECL void Path::collide(std::size_t chain) const {
    const RootPath& root = root_of(*this);
    if (chain > root.collisions_left) fail("too many keys that collide");
    root.collisions_left -= chain;
}

MAGNETAR_DECL void fail_kind(const Path& path, const Json& json, const char* expected) {
    if (missing_of(&json)) path.fail(std::string("there is no such member; expected ") + expected);
    path.fail(std::string("expected ") + expected + ", got " + kind_name(json.kind()));
}

MAGNETAR_DECL const std::string& expect_text(const Path& path, const Json& json) {
    if (!json.is_string()) fail_kind(path, json, "a string");
    return JsonAccess::text(json);
}

MAGNETAR_DECL const std::vector<Json>& expect_items(const Path& path, const Json& json) {
    if (!json.is_array()) fail_kind(path, json, "an array");
    return JsonAccess::items(json);
}

MAGNETAR_DECL const std::vector<Json>& expect_items(const Path& path, const Json& json, std::size_t count) {
    const auto& items = expect_items(path, json);
    if (items.size() != count)
        path.fail("expected " + quantity(count, "item") + ", got " + std::to_string(items.size()));
    return items;
}

MAGNETAR_DECL const std::vector<Json::Member>& expect_members(const Path& path, const Json& json) {
    if (!json.is_object()) fail_kind(path, json, "an object");
    return JsonAccess::members(json);
}

MAGNETAR_DECL void expect_fields(const Json& json, std::span<const std::string_view> names,
                                 const Json** found, const Path& path) {
    const auto& members = expect_members(path, json);
    for (std::size_t i = 0; i < members.size(); ++i) {
        const auto& [key, value] = members[i];
        auto at = i;  // optimistic: the codec writes the fields in this order
        if (i >= names.size() || names[i] != key)
            at = static_cast<std::size_t>(std::find(names.begin(), names.end(), key) - names.begin());
        if (at == names.size()) path.member(key).fail("there is no such field");
        found[at] = &value;
    }
    for (std::size_t i = 0; i < names.size(); ++i)
        if (found[i] == nullptr) path.member(names[i]).fail("the field is missing");
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
