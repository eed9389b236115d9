#pragma once

#include <magnetar/wire/detail/json_convert.hpp>

#include <algorithm>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::string Path::text() const {
    if (outer == nullptr) return "$";
    std::string text = outer->text();
    bool plain = std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
    if (name.data() == nullptr) text.append("[").append(std::to_string(index)).append("]");
    else if (plain && !name.empty()) text.append(".").append(name);
    else text.append("[\"").append(name).append("\"]");
    return text;
}

MAGNETAR_DECL void Path::fail(std::string reason) const { throw CodecError(text(), std::move(reason)); }

MAGNETAR_DECL void fail_kind(const Path& path, const Json& json, const char* expected) {
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
        path.fail("expected " + std::to_string(count) + " items, got " + std::to_string(items.size()));
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
        auto at = i;  // in order, as the codec writes them
        if (i >= names.size() || names[i] != key)
            at = static_cast<std::size_t>(std::find(names.begin(), names.end(), key) - names.begin());
        if (at == names.size()) path.member(key).fail("there is no such field");
        found[at] = &value;
    }
    for (std::size_t i = 0; i < names.size(); ++i)
        if (found[i] == nullptr) path.member(names[i]).fail("the field is missing");
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
