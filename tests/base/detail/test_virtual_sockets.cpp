#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/base/unique_fd.hpp>

#include <cerrno>
#include <thread>
#include <vector>

using namespace magnetar;

namespace {

struct Fake final : VirtualSockets {
    Fake() { here = this; }
    ~Fake() { here = nullptr; }
    int socket(int) override { return first + 5; }
    int socketpair(int (&ends)[2]) override { return ends[0] = first, ends[1] = first + 1, 0; }
    int bind(int fd, const sockaddr*, socklen_t) override { return fd; }
    int listen(int fd) override { return fd; }
    int getsockname(int, sockaddr*, socklen_t* size) override { return *size = 3, 0; }
    int getpeername(int, sockaddr*, socklen_t* size) override { return *size = 4, 0; }
    int close(int fd) override { return closed.push_back(fd), 0; }
    bool readable(int fd) override { return fd == first + 5; }
    std::vector<int> closed;
};

}  // namespace

TEST_CASE("virtual sockets: calls go to them by the number, while there are some") {
    sockaddr address{};
    socklen_t size = 0;
    {
        Fake sockets;
        int fd = detail::open_stream_socket(AF_INET);
        CHECK(fd == VirtualSockets::first + 5);
        CHECK(VirtualSockets::of(fd) == &sockets);
        CHECK(VirtualSockets::of(0) == nullptr);
        CHECK(detail::bind_socket(fd, &address, sizeof address) == fd);
        CHECK(detail::listen_on_socket(fd, 1) == fd);
        CHECK(detail::socket_name(fd, &address, &size) == 0);
        CHECK(size == 3);
        CHECK(detail::peer_name(fd, &address, &size) == 0);
        CHECK(size == 4);
        CHECK(detail::readable(fd));
        CHECK(!detail::readable(fd + 1));
        int ends[2];
        CHECK(detail::make_socket_pair(ends) == 0);
        CHECK(ends[1] == VirtualSockets::first + 1);
        VirtualSockets* elsewhere = &sockets;
        std::thread([&] { elsewhere = VirtualSockets::here; }).join();
        CHECK(elsewhere == nullptr);
        { UniqueFd owner(fd); }
        CHECK(sockets.closed == std::vector{fd});
    }
    UniqueFd real(detail::open_stream_socket(AF_UNIX));
    CHECK(real.get() >= 0);
    CHECK(real.get() < VirtualSockets::first);
    // A number that nobody knows is refused by the kernel.
    CHECK(detail::listen_on_socket(VirtualSockets::first, 1) == -1);
    CHECK(errno == EBADF);
}

TEST_CASE("virtual sockets: the kernel's descriptors are the kernel's all the same") {
    Fake sockets;
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    {
        UniqueFd in(ends[0]), out(ends[1]);
        CHECK(detail::listen_on_socket(in.get(), 1) == -1);
        CHECK(errno == ENOTSOCK);
    }
    CHECK(::fcntl(ends[0], F_GETFD) == -1);
    CHECK(sockets.closed.empty());
}
