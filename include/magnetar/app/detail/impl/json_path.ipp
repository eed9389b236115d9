#pragma once
#include <magnetar/app/detail/json_path.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL const Json* find_at(const Json& json, JsonPath path) {
    const Json* found = &json;
    for (auto key : path)
        if (!(found = found->find(key))) return nullptr;
    return found;
}
MAGNETAR_DECL double number_at(const Json& json, JsonPath path) {
    const Json* found = find_at(json, path);
    return found && found->is_number() ? found->get<double>() : 0;
}
MAGNETAR_DECL std::string text_at(const Json& json, JsonPath path) {
    const Json* found = find_at(json, path);
    return !found ? std::string("?") : found->is_string() ? found->string() : found->dump();
}
MAGNETAR_DECL bool is_true_at(const Json& json, JsonPath path) {
    const Json* found = find_at(json, path);
    return found && found->is_boolean() && found->get<bool>();
}
MAGNETAR_DECL double servers_sum(const Json& worker, std::string_view key) {
    double sum = 0;
    if (const Json* servers = worker.find("servers"))
        for (auto& [name, server] : servers->members()) sum += number_at(server, {key});
    return sum;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
