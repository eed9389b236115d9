#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/app/detail/config_file.hpp>
#include <magnetar/app/detail/setting_ops.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// One setting: a field of a struct that outlives the table.
struct Setting {
    std::string name;  // table.seats
    void* field;
    const SettingOps* ops;
    std::string_view help;   // a string literal
    std::string_view group;  // its heading in --help, a string literal
    std::string origin = "default";
    bool hidden = false;  // neither printed nor allowed in a file

    std::string option() const;  // --table-seats
    std::string key() const;     // its last part
};

// All settings of a program, from any number of structs, and the sources that set them.
class SettingTable {
public:
    // The prefix of the environment variables, and the program's name in --help.
    explicit SettingTable(std::string program) : program_(std::move(program)) {}

    // Adds the fields of `value`, which must outlive the table. Throws std::logic_error when a name exists
    // already.
    template <class T>
    void add(T& value, std::string_view group, const std::string& prefix = {},
             std::string_view program = {}) {
        (void)program;
        for_each_field(value, [&](std::string_view name, auto& field) {
            using Field = std::remove_cvref_t<decltype(field)>;
            std::string full = prefix.empty() ? std::string(name) : prefix + "." + std::string(name);
            if constexpr (is_setting_group<Field>) add(field, group, full);
            else add_one(Setting{full, &field, &SettingOpsOf<Field>::value, {}, group});
        });
        if constexpr (requires { std::begin(T::help); })
            for (const Help& help : T::help)
                set_help(prefix.empty() ? std::string(help.name) : prefix + "." + std::string(help.name),
                         help.text);
    }
    Setting* find(std::string_view name) noexcept;
    const std::vector<Setting>& settings() const noexcept { return settings_; }

    // Sets the origin `code` for every setting whose value differs from the one in `defaults`, a table of the
    // same structs.
    void mark_code(const SettingTable& defaults);
    // Each throws SettingError for the first error.
    void read_file(const std::string& path);
    void read_environment();
    // Words that are not settings: `--info`, `--scale N`.
    struct Word {
        std::string_view name;      // --info
        std::string_view argument;  // the placeholder of its value; empty: no value
        std::string_view help;
    };
    struct Given {
        std::string name, value;
    };
    // Applies the settings on the command line and returns the other words on it.
    std::vector<Given> read_command_line(const std::vector<std::string>& arguments,
                                         const std::vector<Word>& words);

    // A configuration file with these values, each with its origin.
    std::string print() const;
    std::string help(std::string_view description, const std::vector<Word>& words) const;
    // A document of all settings, in Markdown.
    std::string markdown() const;
    // The names of the settings whose values differ between two tables of the same structs.
    std::vector<std::string> differences(const SettingTable& other) const;
    // The origins, in the order of the settings.
    std::vector<std::string> origins() const;
    std::string variable(const Setting& setting) const;
    const std::string& program() const noexcept { return program_; }
    // The value as written in a file.
    std::string value_text(const Setting& setting) const;
    [[noreturn]] void fail(const std::string& where, const std::string& why) const;

private:
    void add_one(Setting setting);
    void set_help(const std::string& name, std::string_view text);
    std::string suggestion(std::string_view wrong, const std::vector<std::string>& known) const;

    std::string program_;
    std::vector<Setting> settings_;
};

// How many characters must be changed, added, removed or swapped with their neighbour to turn one into the
// other.
std::size_t edit_distance(std::string_view a, std::string_view b);
// The nearest of `known`, if it is near enough for a suggestion; else empty.
std::string nearest_name(std::string_view wrong, const std::vector<std::string>& known);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/setting_table.ipp>
#endif
