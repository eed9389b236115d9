#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <magnetar/app/detail/setting_ops.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// One value of a configuration file.
struct FileValue {
    struct Item {
        ValueKind kind;
        std::string text;  // in the form that a setting reads
    };
    std::string name;  // table.seats
    std::vector<Item> items;
    bool list = false;
    unsigned line = 0;
};

// All values of a TOML file, in the order of its lines. Throws SettingError, which names the file and, where
// known, the line.
std::vector<FileValue> read_config_file(const std::string& path);
// The text as a quoted TOML string.
std::string toml_text(const std::string& text);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/config_file.ipp>
#endif
