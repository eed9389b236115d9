// The cost of an application: a SocketServer's echo with one and two workers, compared with a TcpServer on a
// single loop in the same run; a log line that is written, and one that is not; a scrape of the metrics of 64
// workers.
#include <fmt/core.h>

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <magnetar/app.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/loop/timer.hpp>

#include "echo_load.hpp"
#include "support.hpp"

using namespace magnetar;

namespace {

Task<> echo_back(Connection& client) {
    while (auto data = co_await client.read_some()) co_await client.write(data);
}

// A program in a process of its own, which serves an inherited socket, as under a service manager.
class Program {
public:
    Program() {
        address_ = SocketAddress::parse("127.0.0.1:0");
        socket_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        int on = 1;
        ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (::bind(socket_.get(), address_.data(), address_.size()) != 0 ||
            ::listen(socket_.get(), 4096) != 0)
            throw_system_error(errno, "listen");
        address_ = SocketAddress::of_socket(socket_.get());
    }
    Program(const Program&) = delete;
    ~Program() {
        if (pid_ > 0) ::kill(pid_, SIGTERM), ::waitpid(pid_, nullptr, 0);
    }
    // On a single loop, without an arbiter.
    void run_loop() {
        if ((pid_ = ::fork()) != 0) return;
        bench::pin(0);
        EventLoop loop;
        TcpServer server{echo_back};
        loop.run([](TcpServer& s, int fd) -> Task<> {
            co_await s.start_serving(Listener(UniqueFd(fd)));
            for (;;) co_await sleep(std::chrono::hours(1));
        }(server, socket_.get()));
        std::_Exit(0);
    }
    void run_application(std::vector<std::string> arguments, bool pinned = true) {
        if ((pid_ = ::fork()) != 0) return;
        if (pinned) bench::pin(0);
        if (socket_.get() != 3) ::dup2(socket_.get(), 3);
        ::setenv("LISTEN_PID", fmt::format("{}", ::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", "1", 1);
        arguments.insert(arguments.begin(), "echo");
        std::vector<char*> argv;
        for (auto& argument : arguments) argv.push_back(argument.data());
        std::_Exit(SocketServer<>({.name = "echo", .serve = echo_back})
                       .start(static_cast<int>(argv.size()), argv.data()));
    }
    const SocketAddress& address() const { return address_; }

private:
    SocketAddress address_;
    UniqueFd socket_;
    pid_t pid_ = 0;
};

// The answer of a server to one GET; empty when no server listens.
std::string get(const SocketAddress& address, const std::string& path) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), address.data(), address.size()) != 0) return {};
    std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path), answer;
    if (::write(fd.get(), request.data(), request.size()) < 0) return {};
    char part[16384];
    while (ssize_t n = ::read(fd.get(), part, sizeof part)) {
        if (n < 0) return {};
        answer.append(part, static_cast<std::size_t>(n));
    }
    return answer;
}

void echo() {
    struct Server {
        const char* name;
        Program program{};
        bench::Samples rate = bench::Samples(), p99 = bench::Samples();
    };
    Server servers[3] = {{"single loop"}, {"SocketServer, 1 worker"}, {"SocketServer, 2 workers"}};
    servers[0].program.run_loop();
    servers[1].program.run_application({"--control", "none", "--workers", "1"});
    servers[2].program.run_application({"--control", "none", "--workers", "2"});
    bench::pin(1);
    fmt::print("{:<52} {:>10} {:>10} {:>12}   {}\n", fmt::format("TCP echo of {} bytes", bench::message_size),
               "k/s", "p99 us", "single loop", "goal");
    for (std::size_t connections : {64, 512}) {
        for (auto& server : servers) server.rate = server.p99 = bench::Samples();
        while (servers[0].rate.more())
            for (auto& server : servers) {
                auto result = bench::ask(server.program.address(), connections);
                server.rate.add(result.rate), server.p99.add(result.p99);
            }
        for (auto& server : servers)
            fmt::print("{:<52} {:>10} {:>10} {:>12.2f}   {}\n",
                       fmt::format("{} connections, {}", connections, server.name),
                       bench::number(server.rate.median()), bench::number(server.p99.median()),
                       server.rate.median() / servers[0].rate.median(),
                       &server == &servers[1] ? ">= 0.95" : "");
        std::fflush(stdout);
    }
}

void log_lines() {
    constexpr int off_times = 10'000'000, on_times = 100'000;
    Logger log("bench");
    std::string client = "127.0.0.1:4711";
    auto line = [&](int i) { log.info("served {}", i, field("client", client), field("bytes", i)); };
    bench::header();
    double nothing = bench::median([&] {
        bench::Stopwatch watch;
        for (int i = 0; i < off_times; ++i) bench::keep(i);
        return watch.ns() / off_times;
    });
    double off = bench::median([&] {
        bench::Stopwatch watch;
        for (int i = 0; i < off_times; ++i) bench::keep(i), line(i);
        return watch.ns() / off_times;
    });
    bench::row("a line that is not written", "ns", nothing, off, "a comparison more than the loop");
    auto writes = [&] {
        bench::Stopwatch watch;
        for (int i = 0; i < on_times; ++i) line(i);
        return watch.ns() / on_times;
    };
    int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    double floor = bench::median([&] {
        std::string text(120, 'x');
        bench::Stopwatch watch;
        for (int i = 0; i < on_times; ++i)
            if (::write(null, text.data(), text.size()) < 0) std::abort();
        return watch.ns() / on_times;
    });
    ::close(null);
    for (auto [format, name] : {std::pair{LogFormat::text, "a line of text to a file"},
                                std::pair{LogFormat::json, "a line of JSON to a file"}}) {
        LogOptions options;
        options.levels = "info";
        options.format = format;
        options.file = "/dev/null";
        configure_log(options);
        bench::row(name, "ns", floor, bench::median(writes), "");
    }
    LogOptions options;
    options.levels = "warning,other=info";
    options.file = "/dev/null";
    configure_log(options);
    bench::row("a line not written, while another logger's is", "ns", 0, bench::median(writes), "");
}

void scrape() {
    Program program;
    std::string address;
    {
        Program unused;  // its port is free after this block
        address = unused.address().to_string();
    }
    program.run_application({"--control", "none", "--workers", "64", "--metrics", address}, false);
    auto metrics = SocketAddress::parse(address);
    for (int i = 0; get(metrics, "/ready").find("200 OK") == std::string::npos; ++i) {
        if (i == 6000) throw std::runtime_error("64 workers do not get ready");
        ::usleep(10'000);
    }
    double ms = bench::median([&] {
        bench::Stopwatch watch;
        std::string answer = get(metrics, "/metrics");
        if (answer.find("magnetar_workers_silent{application=\"echo\"} 0\n") == std::string::npos)
            throw std::runtime_error("not all workers answer: " + answer);
        return watch.ns() / 1e6;
    });
    bench::row("a scrape of 64 worker processes", "ms", 0, ms, "");
}

}  // namespace

int main() {
    echo();
    log_lines();
    scrape();
}
