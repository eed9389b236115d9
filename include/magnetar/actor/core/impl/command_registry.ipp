#pragma once
#include <magnetar/actor/core/command_registry.hpp>

#include <fmt/core.h>

#include <stdexcept>

#include <magnetar/wire/json_codec.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::vector<const CommandEntry*>& command_table() {
    static auto& table = *new std::vector<const CommandEntry*>;
    return table;
}

MAGNETAR_DECL bool register_command(CommandEntry& entry, const bool*) {
    if (entry.number != CommandEntry::unlisted) return true;
    entry.number = static_cast<std::uint32_t>(command_table().size());
    command_table().push_back(&entry);
    return true;
}

MAGNETAR_DECL void throw_cannot_leave(const CommandEntry& entry) {
    throw CodecError(
        "", fmt::format("{}: a type in its parameters or result cannot leave its process", entry.name));
}

MAGNETAR_DECL std::exception_ptr unlisted_error(const CommandEntry& entry) {
    return std::make_exception_ptr(std::logic_error(
        fmt::format("{}: the command was not registered before the arbiter was made", entry.name)));
}

MAGNETAR_DECL const CommandEntry* find_command(std::string_view name, const void* state) noexcept {
    const CommandEntry* found = nullptr;
    for (const CommandEntry* entry : command_table())
        if (entry->by_name && entry->name == name && (entry->state == state || !entry->state))
            if (!found || entry->state) found = entry;
    return found;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
