#pragma once
#include <magnetar/actor/node/link_message.hpp>

#include <fmt/core.h>

#include <link.h>

#include <cstddef>
#include <cstring>

#include <magnetar/actor/core/command_registry.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL const std::string& build_id() {
    static const std::string id = [] {
        std::string found;
        auto look = [](dl_phdr_info* object, std::size_t, void* to) {
            for (int i = 0; i < object->dlpi_phnum; ++i) {
                const auto& part = object->dlpi_phdr[i];
                if (part.p_type != PT_NOTE) continue;
                auto* at = reinterpret_cast<const char*>(object->dlpi_addr + part.p_vaddr);
                for (auto* end = at + part.p_memsz; end - at >= static_cast<long>(sizeof(ElfW(Nhdr)));) {
                    ElfW(Nhdr) note;
                    std::memcpy(&note, at, sizeof note);
                    const char* name = at + sizeof note;
                    const char* data = name + (note.n_namesz + 3) / 4 * 4;
                    at = data + (note.n_descsz + 3) / 4 * 4;
                    if (note.n_type != NT_GNU_BUILD_ID || at > end) continue;
                    for (std::size_t j = 0; j < note.n_descsz; ++j)
                        *static_cast<std::string*>(to) +=
                            fmt::format("{:02x}", static_cast<unsigned char>(data[j]));
                }
            }
            return 1;  // the first object is the program; libraries are skipped
        };
        ::dl_iterate_phdr(look, &found);
        return found;
    }();
    return id;
}

MAGNETAR_DECL const std::string& command_table_mark() {
    static const std::string mark = [] {
        std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
        auto add = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
        for (const CommandEntry* entry : command_table()) {
            for (char c : entry->name) add(static_cast<unsigned char>(c));
            add(entry->state ? 1 : 0);
            add(entry->system ? 1 : 0);
            add(static_cast<unsigned char>(entry->reach));
        }
        return fmt::format("{:016x}.{}", hash, command_table().size());
    }();
    return mark;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
