// A server with many idle connections, and the memory that each one takes:
//
//     idle_connections [NUMBER]
//
// The clients are plain sockets in a process of their own. Each sends one message, is then idle, and gets one
// more answer at the end.
#include <fmt/core.h>

#include <malloc.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include <magnetar/actor/command.hpp>
#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/connect.hpp>
#include <magnetar/net/connection.hpp>
#include <magnetar/net/file.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/wire/json_codec.hpp>
#include <vector>

using namespace magnetar;

namespace {

// Raises the limit of descriptors as far as permitted; false when it stays below `wanted`.
bool allow_descriptors(rlim_t wanted) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < wanted) limit.rlim_max = wanted;  // only root may
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return true;
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted;
}

// ---- the clients

bool spoke(int fd) {
    char byte = '.';
    return ::send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && ::recv(fd, &byte, 1, 0) == 1;
}
// A socket whose address is 127.0.0.2, .3 and so on: each has ports for some twenty thousand connections.
int client(int number, const SocketAddress& server) {
    auto from = SocketAddress::parse("127.0.0." + std::to_string(2 + number / 20'000) + ":0");
    int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (::bind(fd, from.data(), from.size()) == 0 && ::connect(fd, server.data(), server.size()) == 0)
        return fd;
    std::perror("a client");
    std::_Exit(1);
}
// Receives the server's address from `control`, reports there when all are connected, and waits for a byte to
// go on.
[[noreturn]] void run_clients(int control, int number) {
    char text[64] = {};
    if (::read(control, text, sizeof text - 1) <= 0) std::_Exit(1);
    auto server = SocketAddress::parse(text);
    std::vector<int> clients;
    int answered = 0;
    for (int i = 0; i < number; ++i) clients.push_back(client(i, server));
    for (int fd : clients) answered += spoke(fd);
    if (::write(control, "!", 1) != 1 || ::read(control, text, 1) != 1) std::_Exit(1);
    for (int fd : clients) answered += spoke(fd);
    std::_Exit(answered == 2 * number ? 0 : 1);
}

// ---- the server

Task<> echo_back(Connection& client) {
    while (auto data = co_await client.read_some()) co_await client.write(data);
}

struct Memory {
    double ours = static_cast<double>(::mallinfo2().uordblks + ::mallinfo2().hblkhd);
    double find_local = 0, kernel = 0;
};
// In bytes. The kernel's part is measured for the whole machine: sockets are in its slabs.
Task<Memory> memory() {
    Memory now;
    std::string process = co_await read_file("/proc/self/smaps_rollup"),
                machine = co_await read_file("/proc/meminfo");
    auto kilobytes = [](const std::string& text, const char* name) {
        auto at = text.find(name);
        return at == text.npos
                   ? 0
                   : 1024 * std::strtod(text.c_str() + at + std::string_view(name).size(), nullptr);
    };
    now.find_local = kilobytes(process, "\nRss:");
    now.kernel = kilobytes(machine, "\nSlab:");
    co_return now;
}

Task<> hold(Stream control, std::uint64_t number) {
    TcpServer server{echo_back};
    co_await server.start_serving("127.0.0.1:0");
    Memory before = co_await memory();
    std::string address = server.address().to_string();
    co_await control.write(address);
    co_await control.read_exactly(1);
    Memory now = co_await memory();
    auto each = [&](double Memory::* what) {
        return (now.*what - before.*what) / static_cast<double>(number);
    };
    fmt::print("{} idle connections; of memory, each takes\n", server.info().connections);
    fmt::print("{:8.0f} bytes of ours on the heap; the process has grown by {:.0f}\n", each(&Memory::ours),
               each(&Memory::find_local));
    fmt::print("{:8.0f} bytes of the kernel, for both ends\n", each(&Memory::kernel));
    co_await control.write("!");
    while (server.info().connections > 0) co_await sleep(std::chrono::milliseconds(10));
    fmt::print("all have been answered again: {}\n", server.info().bytes_out == 2 * number ? "yes" : "no");
}

}  // namespace

int main(int count, char** words) {
    int number = count > 1 ? std::atoi(words[1]) : 10'000, control[2];
    if (number < 1 || !allow_descriptors(static_cast<rlim_t>(number) + 100)) {
        fmt::print("{} connections are not to be had: see ulimit -Hn\n", number);
        return 2;
    }
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0) return 1;
    std::fflush(stdout);
    pid_t child = ::fork();
    if (child == 0) {
        ::close(control[0]);
        run_clients(control[1], number);
    }
    ::close(control[1]);
    EventLoop loop;
    loop.run([](UniqueFd fd, int n) -> Task<> {
        Stream stream(std::move(fd));
        co_await hold(std::move(stream), static_cast<std::uint64_t>(n));
    }(UniqueFd(control[0]), number));
    int status = 1;
    ::waitpid(child, &status, 0);
    return status == 0 ? 0 : 1;
}
