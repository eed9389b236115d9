// Echo servers written without any framework: the floor. Each serves the given listening socket on this
// thread, and never returns.
#pragma once
#include <fcntl.h>
#include <liburing.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

namespace bench {

// Multishot accept, multishot receives and a ring of buffers.
[[noreturn]] inline void serve_liburing(int listener) {
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

// Level-triggered, nonblocking sockets. An answer that does not fit into the socket's buffer does not occur
// in this workload: the connection is closed.
[[noreturn]] inline void serve_epoll(int listener) {
    int poll = ::epoll_create1(EPOLL_CLOEXEC);
    auto watch = [&](int fd) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        if (::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) std::_Exit(1);
    };
    ::fcntl(listener, F_SETFL, ::fcntl(listener, F_GETFL) | O_NONBLOCK);
    watch(listener);
    for (;;) {
        epoll_event events[512];
        int n = ::epoll_wait(poll, events, 512, -1);
        for (int i = 0; i < n; ++i) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                for (int client;
                     (client = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
                    watch(client);
                continue;
            }
            char bytes[4096];
            auto got = ::recv(fd, bytes, sizeof bytes, 0);
            if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (got <= 0 || ::send(fd, bytes, static_cast<std::size_t>(got), MSG_NOSIGNAL) != got)
                ::close(fd);
        }
    }
}

}  // namespace bench
