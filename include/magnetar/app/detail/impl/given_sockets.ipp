#pragma once
#include <magnetar/app/detail/given_sockets.hpp>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <limits>
#include <stdexcept>
#include <string_view>

#include <magnetar/app/detail/process.hpp>
#include <magnetar/base/errors.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace given_sockets {

inline int number_in(const char* variable) {
    return static_cast<int>(number_in_environment(variable, std::numeric_limits<int>::max()));
}
inline int type_of(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
        throw_system_error(errno, "LISTEN_FDS", fmt::format("descriptor {}", fd));
    return type;
}
inline bool serves(const ApplicationBase& app, const GivenSocket& given) {
    if (app.config->serves == Serves::nothing) return false;
    return type_of(given.socket.fd()) == (app.config->serves == Serves::datagrams ? SOCK_DGRAM : SOCK_STREAM);
}
inline bool is_at(const ApplicationBase& app, const GivenSocket& given) {
    int type = type_of(given.socket.fd());
    SocketAddress address = given.socket.address();
    auto& bind = app.config->binding.bind;
    return std::any_of(bind.begin(), bind.end(), [&](const std::string& text) {
        try {
            return address_to_bind(text, type) == address;
        } catch (const std::exception&) {
            return false;  // a name that cannot be resolved is not the address of an open socket
        }
    });
}

}  // namespace given_sockets

MAGNETAR_DECL std::vector<GivenSocket> take_given_sockets() {
    constexpr int first = 3;  // SD_LISTEN_FDS_START
    std::vector<GivenSocket> sockets;
    int count =
        given_sockets::number_in("LISTEN_PID") == ::getpid() ? given_sockets::number_in("LISTEN_FDS") : 0;
    const char* text = std::getenv("LISTEN_FDNAMES");
    std::string_view names = text ? text : "";
    for (int i = 0; i < count; ++i) {
        int fd = first + i;
        given_sockets::type_of(fd);
        std::string_view name = names.substr(0, names.find(':'));
        names.remove_prefix(std::min(names.size(), name.size() + 1));
        if (name.ends_with(".socket")) name.remove_suffix(7);
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        sockets.push_back({std::string(name), ListeningSocket(UniqueFd(fd))});
    }
    for (auto variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
    return sockets;
}

MAGNETAR_DECL void deal_out(std::vector<GivenSocket> given,
                            const std::vector<ApplicationBase*>& applications) {
    using namespace given_sockets;
    std::vector<GivenSocket> rest;
    auto find = [&](const GivenSocket& one, auto&& fits) {
        auto found = std::find_if(applications.begin(), applications.end(),
                                  [&](ApplicationBase* app) { return serves(*app, one) && fits(*app); });
        return found == applications.end() ? nullptr : *found;
    };
    for (auto& one : given) {
        auto* app = find(one, [&](ApplicationBase& it) { return it.name() == one.name; });
        if (!app && applications.size() > 1)
            app = find(one, [&](ApplicationBase& it) { return is_at(it, one); });
        if (app) app->sockets->push_back(std::move(one.socket));
        else rest.push_back(std::move(one));
    }
    for (auto& one : rest) {
        auto* app = find(one, [](ApplicationBase& it) { return it.sockets->empty(); });
        if (!app) app = find(one, [](ApplicationBase&) { return true; });
        if (!app)
            throw std::runtime_error(fmt::format(
                "LISTEN_FDS: no server accepts the socket '{}' at {}: it is for {}", one.name,
                one.socket.address(), type_of(one.socket.fd()) == SOCK_DGRAM ? "datagrams" : "connections"));
        app->sockets->push_back(std::move(one.socket));
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
