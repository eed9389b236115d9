#pragma once
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <magnetar/app/detail/config_file.hpp>

// toml++ is included by this file alone. A program that uses its compiled form sets TOML_HEADER_ONLY on the
// compiler's command line.
#if __has_include(<toml++/toml.h>)
#ifndef TOML_HEADER_ONLY
#define TOML_HEADER_ONLY 1
#endif
#ifndef TOML_ENABLE_FORMATTERS
#define TOML_ENABLE_FORMATTERS 0
#endif
#include <toml++/toml.h>
#define MAGNETAR_HAS_TOML 1
#else
#define MAGNETAR_HAS_TOML 0
#endif

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::string toml_text(const std::string& text) {
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') out += {'\\', c};
        else if (c == '\n') out += "\\n";
        else if (c == '\t') out += "\\t";
        else if (c == '\r') out += "\\r";
        else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) out += fmt::format("\\u{:04X}", c);
        else out += c;
    }
    return out + '"';
}

namespace config_file {

// Far more than the settings of any program.
inline constexpr std::size_t most_bytes = 16 << 20;

inline std::string read_all(const std::string& path) {
    errno = 0;
    std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
    std::string text;
    char part[4096];
    while (file) {
        auto n = std::fread(part, 1, sizeof part, file.get());
        text.append(part, n);
        if (n == 0) break;
        if (text.size() > most_bytes)  // perhaps an endless device
            throw SettingError(fmt::format("{}: has more than {} bytes", path, most_bytes));
    }
    if (!file || std::ferror(file.get()))
        throw SettingError(fmt::format("{}: {}", path, std::strerror(errno)));
    return text;
}

#if MAGNETAR_HAS_TOML
inline FileValue::Item item_of(const toml::node& node, const std::string& where) {
    if (auto* value = node.as_boolean()) return {ValueKind::boolean, value->get() ? "true" : "false"};
    if (auto* value = node.as_integer()) return {ValueKind::integer, std::to_string(value->get())};
    if (auto* value = node.as_floating_point()) return {ValueKind::real, fmt::format("{}", value->get())};
    if (auto* value = node.as_string()) return {ValueKind::text, value->get()};
    throw SettingError(where + ": must be a boolean, a number, a text or a list of those");
}
inline void collect(const toml::table& table, const std::string& prefix, const std::string& path,
                    std::vector<FileValue>& values) {
    for (auto&& [key, node] : table) {
        std::string name = prefix.empty() ? std::string(key.str()) : fmt::format("{}.{}", prefix, key.str());
        if (auto* inner = node.as_table()) {
            collect(*inner, name, path, values);
            continue;
        }
        FileValue value;
        value.name = name;
        value.line = node.source().begin.line;
        std::string where = fmt::format("{}:{}: {}", path, value.line, name);
        if (auto* array = node.as_array()) {
            value.list = true;
            for (auto&& item : *array) value.items.push_back(item_of(item, where));
        } else {
            value.items.push_back(item_of(node, where));
        }
        values.push_back(std::move(value));
    }
}
#endif

}  // namespace config_file

MAGNETAR_DECL std::vector<FileValue> read_config_file(const std::string& path) {
    std::string text = config_file::read_all(path);
    std::vector<FileValue> values;
#if MAGNETAR_HAS_TOML
    auto fail = [&path](const toml::parse_error& error) {
        throw SettingError(fmt::format("{}:{}: {}", path, error.source().begin.line, error.description()));
    };
#if TOML_EXCEPTIONS
    try {
        config_file::collect(toml::parse(text, path), {}, path, values);
    } catch (const toml::parse_error& error) {
        fail(error);
    }
#else
    auto result = toml::parse(text, path);
    if (!result) fail(result.error());
    config_file::collect(result.table(), {}, path, values);
#endif
    std::sort(values.begin(), values.end(),
              [](const FileValue& a, const FileValue& b) { return a.line < b.line; });
#else
    throw SettingError(path +
                       ": this program was built without toml++, so that it reads no configuration file");
#endif
    return values;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
