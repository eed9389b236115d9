#pragma once
#include <magnetar/actor/hooks.hpp>

#include <stdexcept>
#include <vector>

namespace magnetar::inline MAGNETAR_MODE::detail {

struct EnlistedHook {
    const void* type;
    AnyHook hook;
};
MAGNETAR_DECL std::vector<EnlistedHook>& hook_table() {
    static auto& table = *new std::vector<EnlistedHook>;
    return table;
}

MAGNETAR_DECL bool enlist_hook(const void* type, AnyHook hook) {
    hook_table().push_back({type, hook});
    return true;
}

MAGNETAR_DECL std::uint32_t number_of_hook(const void* type, AnyHook hook) {
    const auto& table = hook_table();
    for (std::size_t i = 0; i < table.size(); ++i)
        if (table[i].type == type && table[i].hook == hook) return static_cast<std::uint32_t>(i);
    throw std::invalid_argument("a hook that is not in the table of hooks");
}

MAGNETAR_DECL AnyHook hook_of_number(const void* type, std::uint32_t number) {
    const auto& table = hook_table();
    if (number < table.size() && table[number].type == type) return table[number].hook;
    throw std::invalid_argument("no hook has that number: was it loaded after the arbiter was made?");
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
