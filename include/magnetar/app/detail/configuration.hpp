#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/app/detail/application_base.hpp>
#include <magnetar/app/detail/setting_table.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// All settings of a program, read from all sources.
struct Configuration {
    // The settings given in the code, or only the defaults. With several applications, the names of their
    // settings are prefixed with the application's name, except for `without_prefix`.
    Configuration(const std::string& program, const std::vector<ApplicationBase*>& applications,
                  const std::string& without_prefix, bool defaults_only);
    // Reads file, environment and command line; returns the words of the latter, see program_words. Throws
    // SettingError.
    std::vector<SettingTable::Given> read(const std::vector<std::string>& arguments, const std::string& file);

    // Checks ranges and combinations that parsing does not check. Throws SettingError.
    void validate();
    // Whether a reload applies a change of this setting to a running program.
    bool is_live(std::string_view name) const;

    ProcessSettings process;
    std::vector<std::unique_ptr<AppConfig>> applications;
    SettingTable table;
};

// The words of a command line that are not settings: --help and others, and those for operators.
const std::vector<SettingTable::Word>& program_words();
std::string joined(const std::vector<std::string>& parts, std::string_view between);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/configuration.ipp>
#endif
