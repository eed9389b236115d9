#pragma once
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include <magnetar/app/detail/setting_table.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::string Setting::option() const {
    std::string text = "--" + name;
    for (char& c : text)
        if (c == '_' || c == '.') c = '-';
    return text;
}
MAGNETAR_DECL std::string Setting::key() const {
    auto dot = name.rfind('.');
    return dot == name.npos ? name : name.substr(dot + 1);
}

MAGNETAR_DECL std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i)
        for (std::size_t j = 1; j <= b.size(); ++j) {
            bool same = a[i - 1] == b[j - 1];
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + !same});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[a.size()][b.size()];
}
MAGNETAR_DECL std::string nearest_name(std::string_view wrong, const std::vector<std::string>& known) {
    std::string best;
    std::size_t least = std::max<std::size_t>(1, wrong.size() / 3) + 1;
    for (auto& name : known) {
        auto distance = edit_distance(wrong, name);
        // A prefix of a known name is near, too.
        if (wrong.size() > 4 && name.starts_with(wrong)) distance = std::min<std::size_t>(distance, 1);
        if (distance < least) {
            least = distance;
            best = name;
        }
    }
    return best;
}

namespace setting_tables {

// The maximum of a TOML integer is 2^63-1: greater numbers are written as text.
inline bool is_past_toml(std::string_view number) {
    constexpr std::string_view greatest = "9223372036854775807";
    return number.find_first_not_of("0123456789") == number.npos &&
           (number.size() > greatest.size() || (number.size() == greatest.size() && number > greatest));
}

}  // namespace setting_tables

MAGNETAR_DECL void SettingTable::fail(const std::string& where, const std::string& why) const {
    throw SettingError(fmt::format("{}: {}", where, why));
}
MAGNETAR_DECL std::string SettingTable::suggestion(std::string_view wrong,
                                                   const std::vector<std::string>& known) const {
    auto nearest = nearest_name(wrong, known);
    return nearest.empty() ? std::string() : fmt::format("; did you mean {}?", nearest);
}

MAGNETAR_DECL void SettingTable::add_one(Setting setting) {
    for (auto& other : settings_)
        if (other.option() == setting.option())
            throw std::logic_error(fmt::format(
                "there are two settings '{}': give the application's own another name", setting.name));
    settings_.push_back(std::move(setting));
}
MAGNETAR_DECL void SettingTable::set_help(const std::string& name, std::string_view text) {
    Setting* setting = find(name);
    if (!setting) throw std::logic_error(fmt::format("help for '{}', which is not a setting", name));
    setting->help = text;
}
MAGNETAR_DECL Setting* SettingTable::find(std::string_view name) noexcept {
    for (auto& setting : settings_)
        if (setting.name == name) return &setting;
    return nullptr;
}
MAGNETAR_DECL void SettingTable::mark_code(const SettingTable& defaults) {
    for (std::size_t i = 0; i < settings_.size(); ++i)
        if (value_text(settings_[i]) != defaults.value_text(defaults.settings_[i]))
            settings_[i].origin = "code";
}
MAGNETAR_DECL std::vector<std::string> SettingTable::differences(const SettingTable& other) const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < settings_.size(); ++i)
        if (value_text(settings_[i]) != other.value_text(other.settings_[i]))
            names.push_back(settings_[i].name);
    return names;
}
MAGNETAR_DECL std::vector<std::string> SettingTable::origins() const {
    std::vector<std::string> all;
    for (auto& setting : settings_) all.push_back(setting.origin);
    return all;
}

// ---- the file

MAGNETAR_DECL void SettingTable::read_file(const std::string& path) {
    constexpr std::string_view kinds[] = {"true or false", "a whole number", "a number", "a text in quotes",
                                          "a number or a text with a unit"};
    for (auto& value : read_config_file(path)) {
        std::string where = fmt::format("{}:{}", path, value.line);
        Setting* setting = find(value.name);
        if (setting && setting->hidden)
            fail(where, fmt::format("{} cannot be set in a file: it names the file to read", value.name));
        if (!setting) {
            std::vector<std::string> known;
            for (auto& one : settings_)
                if (!one.hidden) known.push_back(one.name);
            fail(where, fmt::format("unknown setting {}{}", value.name, suggestion(value.name, known)));
        }
        auto& ops = *setting->ops;
        where = fmt::format("{}: {}", where, value.name);
        if (value.list != ops.list)
            fail(where, !ops.list                     ? "must not be a list"
                        : ops.kind == ValueKind::text ? "must be a list, as [\"one\", \"two\"]"
                                                      : "must be a list, as [1, 2]");
        ops.clear(setting->field);
        for (auto& item : value.items) {
            bool fits = item.kind == ops.kind ||
                        (ops.kind == ValueKind::real && item.kind == ValueKind::integer) ||
                        (ops.kind == ValueKind::size &&
                         (item.kind == ValueKind::integer || item.kind == ValueKind::text)) ||
                        (ops.kind == ValueKind::integer && item.kind == ValueKind::text &&
                         setting_tables::is_past_toml(item.text));
            if (!fits) {
                auto hint = ops.hint();
                auto text = item.kind == ValueKind::text ? toml_text(item.text) : item.text;
                fail(where, fmt::format("{} must be {}{}", text, kinds[static_cast<int>(ops.kind)],
                                        hint == "DURATION" ? ", as \"30s\"" : ""));
            }
            try {
                ops.read(setting->field, item.text);
            } catch (const std::invalid_argument& error) {
                fail(where, fmt::format("'{}' {}", item.text, error.what()));
            }
        }
        setting->origin = fmt::format("{}:{}", path, value.line);
    }
}

// ---- the environment

MAGNETAR_DECL std::string SettingTable::variable(const Setting& setting) const {
    std::string name = program_ + "_" + setting.name;
    for (char& c : name) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        else if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) c = '_';
    }
    return name;
}
MAGNETAR_DECL void SettingTable::read_environment() {
    for (auto& setting : settings_) {
        std::string name = variable(setting);
        const char* text = std::getenv(name.c_str());
        if (!text) continue;
        setting.ops->clear(setting.field);
        std::string_view rest = text;
        bool empty_means_none = (setting.ops->list || setting.ops->optional) && rest.empty();
        while (!empty_means_none) {
            auto end = setting.ops->list ? std::min(rest.find(','), rest.size()) : rest.size();
            try {
                setting.ops->read(setting.field, rest.substr(0, end));
            } catch (const std::invalid_argument& error) {
                fail(name, fmt::format("'{}' {}", rest.substr(0, end), error.what()));
            }
            if (end == rest.size()) break;
            rest.remove_prefix(end + 1);
        }
        setting.origin = name;
    }
}

// ---- the command line

MAGNETAR_DECL std::vector<SettingTable::Given> SettingTable::read_command_line(
    const std::vector<std::string>& arguments, const std::vector<Word>& words) {
    std::vector<Given> given;
    std::vector<bool> seen(settings_.size());
    for (std::size_t at = 0; at < arguments.size(); ++at) {
        const std::string& argument = arguments[at];
        if (!argument.starts_with("--") || argument == "--")
            throw SettingError(
                fmt::format("'{}' is not an option: options begin with --, see --help", argument));
        auto equals = argument.find('=');
        bool has_value = equals != argument.npos;
        std::string option = argument.substr(0, equals);
        std::string value = has_value ? argument.substr(equals + 1) : std::string();
        auto take_value = [&] {
            if (has_value) return;
            if (at + 1 == arguments.size()) fail(option, "a value must follow");
            value = arguments[++at];
        };
        auto word = std::find_if(words.begin(), words.end(), [&](const Word& w) { return w.name == option; });
        if (word != words.end()) {
            if (!word->argument.empty()) take_value();
            else if (has_value) fail(option, "takes no value");
            given.push_back({option, value});
            continue;
        }
        std::size_t found = settings_.size();
        bool negated = false;
        for (std::size_t i = 0; i < settings_.size(); ++i) {
            if (settings_[i].option() == option) found = i;
            if (settings_[i].ops->kind == ValueKind::boolean && !settings_[i].ops->list &&
                option == "--no-" + settings_[i].option().substr(2)) {
                found = i;
                negated = true;
            }
        }
        if (found == settings_.size()) {
            std::vector<std::string> known;
            for (auto& setting : settings_) known.push_back(setting.option());
            for (auto& one : words) known.emplace_back(one.name);
            throw SettingError(fmt::format("unknown option {}{}", option, suggestion(option, known)));
        }
        Setting& setting = settings_[found];
        if (negated) {
            if (has_value) fail(option, "takes no value");
            value = "false";
        } else if (setting.ops->kind == ValueKind::boolean && !setting.ops->list) {
            if (!has_value) value = "true";
        } else {
            take_value();
        }
        // The first value of a list replaces the previous values; the next ones are appended.
        if (!seen[found] || !setting.ops->list) setting.ops->clear(setting.field);
        seen[found] = true;
        try {
            setting.ops->read(setting.field, value);
        } catch (const std::invalid_argument& error) {
            fail(fmt::format("{} {}", setting.option(), value), error.what());
        }
        setting.origin = option;
    }
    return given;
}

// ---- output for people

MAGNETAR_DECL std::string SettingTable::value_text(const Setting& setting) const {
    auto texts = setting.ops->write(setting.field);
    std::string all;
    for (auto& text : texts) {
        if (!all.empty()) all += ", ";
        bool bare = setting.ops->kind == ValueKind::boolean || setting.ops->kind == ValueKind::integer ||
                    setting.ops->kind == ValueKind::real;
        all += bare && !setting_tables::is_past_toml(text) ? text : toml_text(text);
    }
    return setting.ops->list ? "[" + all + "]" : all;
}
MAGNETAR_DECL std::string SettingTable::print() const {
    // Settings outside a table must come first; then table by table, in the order in which they appear.
    std::vector<std::string> tables{""};
    auto table_of = [](const Setting& setting) {
        auto dot = setting.name.rfind('.');
        return dot == setting.name.npos ? std::string() : setting.name.substr(0, dot);
    };
    for (auto& setting : settings_)
        if (auto table = table_of(setting); std::find(tables.begin(), tables.end(), table) == tables.end())
            tables.push_back(table);
    std::string out;
    for (auto& table : tables) {
        if (!table.empty()) out += fmt::format("\n[{}]\n", table);
        for (auto& setting : settings_) {
            if (table_of(setting) != table || setting.hidden) continue;
            auto value = value_text(setting);
            bool unset = value.empty();
            std::string line = unset ? fmt::format("# {} is not set", setting.key())
                                     : fmt::format("{} = {}", setting.key(), value);
            out += fmt::format("{:<40} # {}\n", line, setting.origin);
        }
    }
    return out;
}
MAGNETAR_DECL std::string SettingTable::help(std::string_view description,
                                             const std::vector<Word>& words) const {
    std::string out = fmt::format("{}{}{}\n\nusage: {} [OPTION]...\n", program_,
                                  description.empty() ? "" : ": ", description, program_);
    const std::size_t column = 34;
    auto line = [&out, column](const std::string& left, const std::string& right) {
        out += left.size() + 2 <= column ? fmt::format("{:<{}}{}\n", left, column, right)
                                         : fmt::format("{}\n{:<{}}{}\n", left, "", column, right);
    };
    std::vector<std::string_view> groups;
    for (auto& setting : settings_)
        if (std::find(groups.begin(), groups.end(), setting.group) == groups.end())
            groups.push_back(setting.group);
    for (auto group : groups) {
        out += fmt::format("\n{}\n", group);
        for (auto& setting : settings_) {
            if (setting.group != group) continue;
            auto hint = setting.ops->hint();
            std::string left = "  " + setting.option();
            if (!hint.empty()) left += (hint.find('|') == hint.npos ? " " : "=") + hint;
            std::string right(setting.help);
            auto value = value_text(setting);
            if (setting.ops->list) right += right.empty() ? "may be repeated" : "; may be repeated";
            right += fmt::format("{}({}{})", right.empty() ? "" : " ",
                                 value.empty() || value == "\"\"" || value == "[]" ? "" : value + "; ",
                                 variable(setting));
            line(left, right);
        }
    }
    out += "\nInstead of running\n";
    for (auto& word : words)
        line(fmt::format("  {}{}{}", word.name, word.argument.empty() ? "" : " ", word.argument),
             std::string(word.help));
    out += fmt::format(
        "\nA later source wins: default, code, file (--config FILE), environment, command line.\n"
        "Booleans: --x, --no-x. Durations: 250ms, 30s, 2m. Sizes: 512, 64KiB, 10MB.\n");
    return out;
}
MAGNETAR_DECL std::string SettingTable::markdown() const {
    std::string out;
    std::string_view group;
    for (auto& setting : settings_) {
        if (setting.group != group) {
            group = setting.group;
            out += fmt::format(
                "\n## {}\n\n| option | in a file | values | default | what for |\n|---|---|---|---|---|\n",
                group);
        }
        auto hint = setting.ops->hint();
        std::string values;
        for (char c : hint.empty() ? std::string("true, false") : hint)
            values += c == '|' ? std::string(", ") : std::string(1, c);
        auto value = value_text(setting);
        out += fmt::format("| `{}` | `{}` | {} | {} | {} |\n", setting.option(), setting.name, values,
                           value.empty() ? "" : "`" + value + "`", setting.help);
    }
    return out;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
