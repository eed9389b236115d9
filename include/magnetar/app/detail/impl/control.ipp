#pragma once
#include <magnetar/app/detail/control.hpp>

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::string control_path(const std::string& setting, const std::string& program) {
    if (setting == "none" || setting.empty()) return {};
    if (setting != "auto") return setting;
    for (auto variable : {"RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"})
        if (const char* folder = std::getenv(variable); folder && folder[0] == '/') {
            std::string_view first = folder;
            return fmt::format("{}/{}.sock", first.substr(0, first.find(':')), program);
        }
    std::string folder = fmt::format("/tmp/magnetar-{}", ::geteuid());
    ::mkdir(folder.c_str(), 0700);
    struct stat found{};
    if (::lstat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode) || found.st_uid != ::geteuid() ||
        (found.st_mode & 077) != 0)
        return {};  // somebody else has made it
    return fmt::format("{}/{}.sock", folder, program);
}

MAGNETAR_DECL ListeningSocket open_control_socket(const std::string& path) {
    ListenOptions options;
    options.mode = 0600;
    try {
        return ListeningSocket::bind(SocketAddress::unix_socket(path), options);
    } catch (const std::system_error& error) {
        if (error.code() != std::errc::address_in_use) throw;
        struct stat found{};
        bool is_socket =
            path.starts_with('@') || (::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode));
        throw std::runtime_error(fmt::format(
            "{}: {}", path,
            is_socket ? "a program that runs listens there already" : "there is a file that is no socket"));
    }
}

MAGNETAR_DECL DoorSettings control_door_settings() {
    DoorSettings settings;
    settings.limits.ping_after = settings.limits.silence = {};
    return settings;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
