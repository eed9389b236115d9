#pragma once
#include <magnetar/app/detail/control.hpp>

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

#include <magnetar/app/detail/process.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::string control_path(const std::string& setting, const std::string& program, uid_t user) {
    if (setting == "none" || setting.empty()) return {};
    if (setting != "auto") return setting;
    struct stat found{};
    if (const char* folders = std::getenv("RUNTIME_DIRECTORY"); folders && folders[0] == '/') {
        std::string_view first = folders;
        return fmt::format("{}/{}.sock", first.substr(0, first.find(':')), program);
    }
    // The directory of a session is of no use to a program that has changed its user.
    if (const char* folder = std::getenv("XDG_RUNTIME_DIR");
        folder && folder[0] == '/' && (::stat(folder, &found) != 0 || found.st_uid == user))
        return fmt::format("{}/{}.sock", folder, program);
    std::string folder = fmt::format("/tmp/magnetar-{}", user);
    if (user == ::geteuid()) ::mkdir(folder.c_str(), 0700);
    if (::lstat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode) || found.st_uid != user ||
        (found.st_mode & 077) != 0)
        return {};  // another user owns it or has access
    return fmt::format("{}/{}.sock", folder, program);
}

MAGNETAR_DECL ListeningSocket open_control_socket(const std::string& path) {
    ListenOptions options;
    options.mode = 0600;
    try {
        return open_listening_socket("unix:" + path, options);
    } catch (const std::system_error& error) {
        if (error.code() == std::errc::address_in_use)
            throw std::runtime_error(path + ": another running program already listens there");
        if (error.code() == std::errc::file_exists)
            throw std::runtime_error(path + ": the file is not a socket");
        throw;
    }
}

MAGNETAR_DECL DoorSettings control_door_settings() {
    DoorSettings settings;
    settings.limits.ping_after = settings.limits.silence = {};
    return settings;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
