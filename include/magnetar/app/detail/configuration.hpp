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
    // As the code has them. `prefixed`: the settings of each application stand below its name.
    Configuration(const std::string& program, const std::vector<ApplicationBase*>& applications,
                  const std::string& without_prefix, bool defaults_only);
    // Reads file, environment and command line; gives the words. Throws SettingError.
    std::vector<SettingTable::Given> read(const std::vector<std::string>& arguments, const std::string& file);

    // What no single value shows. Throws SettingError.
    void validate();
    // Whether a change of it counts for a program that runs.
    bool is_live(std::string_view name) const;

    ProcessSettings process;
    std::vector<std::unique_ptr<AppConfig>> applications;
    SettingTable table;
};

// The words of a command line that are no settings: --help and those for operators.
const std::vector<SettingTable::Word>& program_words();
std::string joined(const std::vector<std::string>& parts, std::string_view between);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/configuration.ipp>
#endif
