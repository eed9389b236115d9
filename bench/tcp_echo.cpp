// TCP echo of 64 bytes over 64 and 512 connections: a raw liburing program, and a TcpServer. Each server is a
// process on core 0; the load comes from core 1, by epoll, one message in flight on each connection.
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <magnetar/loop/timer.hpp>
#include <magnetar/net/connect.hpp>
#include <magnetar/net/tcp_server.hpp>

#include "support.hpp"

using namespace magnetar;

namespace {

constexpr std::size_t message_size = 64;

// ---- the floor: multishot accept, multishot receives and a buffer ring

[[noreturn]] void serve_raw(int listener) {
    enum Kind : std::uint64_t { accepted, received, sent };
    constexpr unsigned buffers = 1024, size = 4096, stride = size + 64, group = 1;
    io_uring ring;
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                   IORING_SETUP_CQSIZE;
    params.cq_entries = 4096;
    if (io_uring_queue_init_params(1024, &ring, &params) != 0) std::_Exit(1);
    io_uring_register_ring_fd(&ring);
    void* memory = ::mmap(nullptr, buffers * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
    registration.ring_entries = buffers;
    registration.bgid = group;
    if (io_uring_register_buf_ring(&ring, &registration, 0) != 0) std::_Exit(1);
    auto* provided = static_cast<io_uring_buf_ring*>(memory);
    std::vector<char> bytes(std::size_t(buffers) * stride);
    auto provide = [&](unsigned buffer) {
        io_uring_buf_ring_add(provided, &bytes[buffer * stride], size, static_cast<unsigned short>(buffer),
                              buffers - 1, 0);
        io_uring_buf_ring_advance(provided, 1);
    };
    for (unsigned i = 0; i < buffers; ++i) provide(i);
    auto entry = [&](Kind kind, int fd, unsigned buffer) {
        io_uring_sqe* sqe = nullptr;
        while (!(sqe = io_uring_get_sqe(&ring))) io_uring_submit(&ring);
        return std::pair{
            sqe, std::uint64_t(kind) | std::uint64_t(unsigned(fd)) << 8 | std::uint64_t(buffer) << 32};
    };
    auto receive = [&](int fd) {
        auto [sqe, data] = entry(received, fd, 0);
        io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = group;
        sqe->user_data = data;
    };
    auto [sqe, data] = entry(accepted, listener, 0);
    io_uring_prep_multishot_accept(sqe, listener, nullptr, nullptr, SOCK_CLOEXEC);
    sqe->user_data = data;
    for (;;) {
        io_uring_submit_and_wait(&ring, 1);
        unsigned head = 0, seen = 0;
        io_uring_cqe* cqe = nullptr;
        io_uring_for_each_cqe(&ring, head, cqe) {
            ++seen;
            int fd = static_cast<int>(cqe->user_data >> 8 & 0xffffff);
            if (auto kind = cqe->user_data & 0xff; kind == accepted) {
                receive(cqe->res);
            } else if (kind == sent) {
                provide(static_cast<unsigned>(cqe->user_data >> 32));
            } else if (cqe->res <= 0) {
                if (cqe->res == -ENOBUFS) receive(fd);
                else ::close(fd);
            } else {
                unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
                auto [send, mark] = entry(sent, fd, buffer);
                io_uring_prep_send(send, fd, &bytes[buffer * stride], static_cast<unsigned>(cqe->res),
                                   MSG_NOSIGNAL);
                send->user_data = mark;
                if (!(cqe->flags & IORING_CQE_F_MORE)) receive(fd);
            }
        }
        io_uring_cq_advance(&ring, seen);
    }
}

// ---- ours

Task<> echo_back(Connection& client) {
    while (auto data = co_await client.read_some()) co_await client.write(data);
}
[[noreturn]] void serve_magnetar(int listener) {
    EventLoop loop;
    TcpServer server{echo_back};
    loop.run([](TcpServer& s, int fd) -> Task<> {
        co_await s.start_serving(Listener(UniqueFd(fd)));
        for (;;) co_await sleep(std::chrono::hours(1));
    }(server, listener));
    std::_Exit(0);
}

// ---- a server in a process of its own, and who asks it

class Server {
public:
    explicit Server(void (*serve)(int)) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        int on = 1;
        ::setsockopt(listener_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        auto any = SocketAddress::parse("127.0.0.1:0");
        if (::bind(listener_.get(), any.data(), any.size()) != 0 || ::listen(listener_.get(), 4096) != 0)
            throw_system_error(errno, "listen");
        pid_ = ::fork();
        if (pid_ != 0) return;
        bench::pin(0);
        serve(listener_.get());
    }
    ~Server() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    SocketAddress address() const { return SocketAddress::of_socket(listener_.get()); }

private:
    UniqueFd listener_;
    pid_t pid_;
};

// Thousands of echoes a second.
double rate(const Server& server, std::size_t connections) {
    struct Client {
        UniqueFd fd;
        std::size_t missing = 0;
    };
    char message[message_size] = {}, answer[4096];
    auto send = [&](Client& client) {
        client.missing = message_size;
        if (::write(client.fd.get(), message, message_size) != message_size)
            throw_system_error(errno, "write");
    };
    UniqueFd poll(::epoll_create1(0));
    std::vector<Client> clients(connections);
    auto address = server.address();
    for (auto& client : clients) {
        client.fd = UniqueFd(::socket(AF_INET, SOCK_STREAM, 0));
        int on = 1;
        ::setsockopt(client.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (::connect(client.fd.get(), address.data(), address.size()) != 0)
            throw_system_error(errno, "connect");
        epoll_event event{.events = EPOLLIN, .data = {.ptr = &client}};
        ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, client.fd.get(), &event);
    }
    for (auto& client : clients) send(client);
    auto echo = [&](double ns) {
        std::size_t echoes = 0;
        bench::Stopwatch watch;
        while (watch.ns() < ns) {
            epoll_event events[512];
            int n = ::epoll_wait(poll.get(), events, 512, -1);
            for (int i = 0; i < n; ++i) {
                auto& client = *static_cast<Client*>(events[i].data.ptr);
                auto got = ::read(client.fd.get(), answer, sizeof answer);
                if (got <= 0) throw_system_error(errno, "read");
                client.missing -= static_cast<std::size_t>(got);
                if (client.missing == 0) ++echoes, send(client);
            }
        }
        return static_cast<double>(echoes) / watch.ns() * 1e6;
    };
    echo(100e6);
    return echo(400e6);
}

}  // namespace

int main() {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    Server raw(serve_raw), ours(serve_magnetar);
    bench::pin(1);
    bench::header();
    for (std::size_t connections : {64, 512}) {
        bench::Samples floor, magnetar;
        while (floor.more()) {
            floor.add(rate(raw, connections));
            magnetar.add(rate(ours, connections));
        }
        bench::row(fmt::format("TCP echo, {} bytes, {} connections", message_size, connections), "k/s",
                   floor.median(), magnetar.median(), ">= 0.98 of the floor");
    }
}
