#pragma once
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include <magnetar/app/detail/control.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/net/connection.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace control_parts {

inline constexpr std::size_t longest_line = 16 << 20;

inline bool connects(const SocketAddress& address, UniqueFd& fd) {
    fd = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) throw_system_error(errno, "socket");
    return ::connect(fd.get(), address.data(), address.size()) == 0;
}
inline Json error_object(std::string_view type, std::string_view message) {
    Json error = Json::object();
    error["type"] = std::string(type);
    error["message"] = std::string(message);
    return error;
}
inline bool may_control(int fd) noexcept {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    return peer.uid == 0 || peer.uid == ::geteuid();
}

using Answer = Task<Json> (*)(Actor<>&, std::string, Json);

inline Task<Json> answer_line(Actor<>& actor, Answer answer, const std::string& line) {
    Json reply = Json::object();
    std::exception_ptr failure;
    try {
        Json request = Json::parse(line);
        if (const Json* id = request.find("id")) reply["id"] = *id;
        const Json* args = request.find("args");
        std::string command = request.at("command").string();
        Json given = args ? *args : Json::array();
        reply["result"] = co_await answer(actor, std::move(command), std::move(given));
    } catch (const std::exception&) {
        failure = std::current_exception();
    }
    if (failure) {
        auto text = describe(failure);
        reply.erase("result");
        reply["error"] = error_object(text.type, text.what);
    }
    co_return reply;
}
inline Task<> converse(Actor<>& actor, Answer answer, Connection& connection) {
    if (!may_control(connection.fd())) {
        Json reply = Json::object();
        reply["error"] = error_object("refused", "another user's program is none of yours");
        std::string line = reply.dump() + "\n";
        co_await connection.write(line);
        co_return;
    }
    for (;;) {
        std::string line = co_await connection.read_until("\n");
        if (line.empty()) co_return;
        Json reply = co_await answer_line(actor, answer, line);
        line = reply.dump() + "\n";
        co_await connection.write(line);
    }
}

}  // namespace control_parts

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

MAGNETAR_DECL UniqueFd open_control_socket(const std::string& path) {
    SocketAddress address = SocketAddress::unix_socket(path);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) throw_system_error(errno, "socket");
    // The mode of the file that bind() makes: at no time may others open it.
    if (::fchmod(fd.get(), 0600) != 0) throw_system_error(errno, "fchmod", path);
    if (::bind(fd.get(), address.data(), address.size()) != 0) {
        if (errno != EADDRINUSE) throw_system_error(errno, "bind", path);
        UniqueFd probe;
        if (control_parts::connects(address, probe))
            throw std::runtime_error(fmt::format("{}: a program that runs listens there already", path));
        struct stat found{};
        if (::lstat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode))
            throw std::runtime_error(fmt::format("{}: there is a file that is no socket", path));
        ::unlink(path.c_str());
        if (::bind(fd.get(), address.data(), address.size()) != 0) throw_system_error(errno, "bind", path);
    }
    if (::listen(fd.get(), 64) != 0) throw_system_error(errno, "listen", path);
    return fd;
}

MAGNETAR_LAZY_BODY Task<TcpServer> serve_control(Actor<>& actor, UniqueFd socket,
                                                 Task<Json> (*answer)(Actor<>&, std::string, Json)) {
    TcpServer server([&actor, answer](Connection& connection) {
        return control_parts::converse(actor, answer, connection);
    });
    Listener listener(std::move(socket));
    co_await server.start_serving(std::move(listener));
    co_return server;
}

MAGNETAR_DECL Json ask_control(const std::string& path, const std::string& command, Json args) {
    UniqueFd fd;
    if (path.empty() || !control_parts::connects(SocketAddress::unix_socket(path), fd))
        throw std::runtime_error(
            path.empty() ? std::string("there is no control socket: --control tells where it is")
                         : fmt::format("no program runs that listens on {}: {}", path, std::strerror(errno)));
    Json request = Json::object();
    request["id"] = 1;
    request["command"] = command;
    request["args"] = std::move(args);
    std::string line = request.dump() + "\n";
    for (std::string_view rest = line; !rest.empty();) {
        ssize_t n = ::send(fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw_system_error(errno, "send", path);
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
    std::string reply;
    char part[16 << 10];
    while (reply.find('\n') == reply.npos) {
        ssize_t n = ::recv(fd.get(), part, sizeof part, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw_system_error(errno, "recv", path);
        if (n == 0) throw std::runtime_error("the program ended before it answered");
        reply.append(part, static_cast<std::size_t>(n));
        if (reply.size() > control_parts::longest_line) throw std::runtime_error("the answer is too long");
    }
    Json answer = Json::parse(reply);
    if (const Json* error = answer.find("error")) throw std::runtime_error(error->at("message").string());
    return answer.at("result");
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
