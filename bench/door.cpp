// Requests of clients in JSON over WebSocket: over 1 and 64 connections with one in flight on each, and over
// 64 with 16 in flight on each. Measures an arbiter's door with a light actor behind it, compared with the
// plain TCP echo of the same run, and with an echo server by Node's package `ws` where NODE_PATH contains it;
// and the memory of an idle connection. The server is a process on core 0, the load comes from core 1.
#include <fmt/core.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fstream>
#include <magnetar/magnetar.hpp>
#include <magnetar/testing/probe.hpp>
#include <magnetar/wire/websocket/handshake.hpp>
#include <string>

#include "echo_clients.hpp"
#include "raw_echo.hpp"
#include "support.hpp"

using namespace magnetar;

namespace {

struct Counter {
    int total = 0;
    int add(int by) { return total += by; }
    using commands = Commands<&Counter::add>;
};

constexpr std::size_t idle_connections = 10'000;
// The arbiter in a server process writes its port to this descriptor.
int report_to = -1;

void tell_port(std::uint16_t port) {
    if (::write(report_to, &port, sizeof port) != sizeof port) std::_Exit(1);
}
void serve_tcp() {
    int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto any = SocketAddress::parse("127.0.0.1:0");
    if (::bind(listener, any.data(), any.size()) != 0 || ::listen(listener, 4096) != 0) std::_Exit(1);
    tell_port(SocketAddress::of_socket(listener).port());
    bench::serve_liburing(listener);
}
void serve_door() {
    std::_Exit(Arbiter<>({.address = "127.0.0.1:0",
                          .door = {.max_connections = idle_connections + 100},
                          .start = [](Arbiter<>& self) -> Task<> {
                              co_await spawn<Counter>(
                                  {.name = "counter", .concurrency = Concurrency::coroutine});
                              tell_port(split_host_port(self.address().substr(5)).port);
                          }})
                   .run());
}
void serve_node() {
    std::string script = fmt::format(
        "const s = new (require('ws').WebSocketServer)({{port: 0, host: '127.0.0.1'}});"
        "s.on('listening', () => require('fs').writeSync({}, Buffer.from(Uint16Array.of(s.address().port).buffer)));"
        "s.on('connection', c => c.on('message', m => c.send(String(m))));",
        report_to);
    ::execlp("node", "node", "-e", script.c_str(), nullptr);
    std::_Exit(1);
}

class Server {
public:
    explicit Server(void (*serve)()) {
        int ends[2];
        if (::pipe(ends) != 0) throw_system_error(errno, "pipe");
        pid_ = ::fork();
        if (pid_ == 0) {
            ::close(ends[0]);
            report_to = ends[1];
            bench::pin(0);
            serve();
            std::_Exit(0);
        }
        ::close(ends[1]);
        if (::read(ends[0], &port_, sizeof port_) != sizeof port_) port_ = 0;
        ::close(ends[0]);
    }
    Server(const Server&) = delete;
    ~Server() {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    // 0 when the server could not be started.
    std::uint16_t port() const { return port_; }
    std::size_t resident_bytes() const {
        std::ifstream statm(fmt::format("/proc/{}/statm", pid_));
        std::size_t pages = 0, resident = 0;
        statm >> pages >> resident;
        return resident * 4096;
    }

    double cpu_seconds() const {
        std::ifstream stat(fmt::format("/proc/{}/stat", pid_));
        std::string text;
        std::getline(stat, text, ')');  // the name may contain blanks
        for (int i = 0; i < 11; ++i) stat >> text;
        double user = 0, system = 0;
        stat >> user >> system;
        return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    }

private:
    pid_t pid_;
    std::uint16_t port_ = 0;
};

struct Talk {
    std::string upgrade, message;
    std::size_t answer;  // bytes; extra digits of a number count as the next answer's
};

UniqueFd connect_to(const Server& server, const std::string& upgrade) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto address = SocketAddress::parse("127.0.0.1:0").with_port(server.port());
    if (::connect(fd.get(), address.data(), address.size()) != 0) throw_system_error(errno, "connect");
    if (upgrade.empty()) return fd;
    if (::write(fd.get(), upgrade.data(), upgrade.size()) < 0) throw_system_error(errno, "write");
    std::string head;
    for (char c; !head.ends_with("\r\n\r\n"); head += c)
        if (::read(fd.get(), &c, 1) != 1) throw_system_error(errno, "read");
    if (!head.starts_with("HTTP/1.1 101")) throw std::runtime_error(head);
    return fd;
}

// Thousands of answers per second, and microseconds of the server's CPU for each.
struct Result {
    double rate, cpu;
};
struct Load {
    std::size_t connections, in_flight;
};
Result ask(const Server& server, const Talk& talk, Load load) {
    auto connect = [&] { return connect_to(server, talk.upgrade); };
    bench::EchoClients clients(load.connections, connect, talk.message, talk.answer, load.in_flight);
    clients.run_for(50e6);
    double cpu = server.cpu_seconds();
    double ns = clients.run_for(300e6);
    auto count = static_cast<double>(clients.waits.size());
    return {count / ns * 1e6, (server.cpu_seconds() - cpu) * 1e6 / count};
}
struct Medians {
    bench::Samples rate, cpu;
    void add(Result result) { rate.add(result.rate), cpu.add(result.cpu); }
    std::string text() const {
        return fmt::format("{} ({} us)", bench::number(rate.median()), bench::number(cpu.median()));
    }
};

std::string masked(std::string_view text) {
    Writer out;
    append_frame(out, Opcode::text, text,
                 {.fin = true, .mask = MaskKey{std::byte{1}, std::byte{2}, std::byte{3}}});
    return std::string(out.text());
}

}  // namespace

int main() {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";
    auto upgrade = upgrade_request("127.0.0.1", "/", key, "magnetar.v1");
    // The sum stays 0, so that all answers have the same length.
    std::string request = R"({"command":"add","id":1,"target":"counter","args":[0]})",
                answer = R"({"id":1,"result":0})";
    Server tcp(serve_tcp), door(serve_door), node(serve_node);
    Talk plain{"", std::string(64, 'x'), 64};
    Talk json{upgrade, masked(request), answer.size() + 2};
    Talk node_talk{upgrade, masked(request), request.size() + 2};
    bench::pin(1);
    fmt::print("{:<36} {:>16} {:>16} {:>16}\n", "requests in JSON, k/s (CPU of each)", "TCP echo", "door",
               "Node ws");
    for (Load load : {Load{1, 1}, Load{64, 1}, Load{64, 16}}) {
        Medians floor, ours, theirs;
        while (ours.rate.more()) {  // in turn, so that other load on the machine affects all alike
            floor.add(ask(tcp, plain, load));
            ours.add(ask(door, json, load));
            if (node.port()) theirs.add(ask(node, node_talk, load));
        }
        fmt::print(
            "{:<36} {:>16} {:>16} {:>16}   {:.2f} of TCP{}{}\n",
            fmt::format("{} connections, {} in flight", load.connections, load.in_flight), floor.text(),
            ours.text(), node.port() ? theirs.text() : "-", ours.rate.median() / floor.rate.median(),
            node.port() ? fmt::format(", {:.1f} x Node", ours.rate.median() / theirs.rate.median()) : "",
            load.connections == 64 ? " (goals: 0.5, 5)" : "");
        std::fflush(stdout);
    }
    auto room = std::min<std::size_t>(idle_connections, files.rlim_cur - 100);
    std::vector<UniqueFd> idle;
    idle.reserve(room);
    while (idle.size() < 100) idle.push_back(connect_to(door, upgrade));
    auto before = door.resident_bytes();
    while (idle.size() < room) idle.push_back(connect_to(door, upgrade));
    double each = static_cast<double>(door.resident_bytes() - before) / static_cast<double>(room - 100);
    fmt::print("{:<36} {:>16} {:>16}   (goal: 2048)\n", fmt::format("{} idle connections, bytes each", room),
               "", bench::number(each));
}
