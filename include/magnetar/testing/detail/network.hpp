#pragma once
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/detail/attempt.hpp>
#include <magnetar/net/address.hpp>
#include <magnetar/testing/random.hpp>

namespace magnetar::inline MAGNETAR_MODE::testing::detail {

using magnetar::detail::must_wait;

// In-memory stream sockets. A call that would block returns must_wait; when a retry may succeed, the socket
// is added to `changed`. Results are those of the system calls, errors are negative (-errno).
class Network : public VirtualSockets {
public:
    explicit Network(Random& random) noexcept : random_(random) {}
    Network(const Network&) = delete;

    // Sockets whose state has changed: their waiting operations should be retried.
    std::vector<int> changed;

    std::size_t open_sockets() const noexcept { return sockets_.size(); }
    bool has(int fd) const noexcept { return sockets_.contains(fd); }

    // ---- calls that never wait

    int socket(int family) override { return create(family); }
    int socketpair(int (&ends)[2]) override {
        ends[0] = create(AF_UNIX);
        ends[1] = create(AF_UNIX);
        join(ends[0], ends[1]);
        return 0;
    }
    int bind(int fd, const sockaddr* address, socklen_t size) override {
        SocketAddress wanted(address, size);
        if (wanted.is_ip() && wanted.port() == 0) wanted = wanted.with_port(next_port_++);
        for (auto& [number, other] : sockets_)
            if (other.bound && other.name == wanted) return failed(EADDRINUSE);
        sockets_.at(fd).name = wanted;
        sockets_.at(fd).bound = true;
        return 0;
    }
    int listen(int fd) override {
        sockets_.at(fd).listening = true;
        return 0;
    }
    int getsockname(int fd, sockaddr* address, socklen_t* size) override {
        auto found = sockets_.find(fd);
        return found == sockets_.end() ? failed(EBADF) : give(found->second.name, address, size);
    }
    int getpeername(int fd, sockaddr* address, socklen_t* size) override {
        auto found = sockets_.find(fd);
        if (found == sockets_.end()) return failed(EBADF);
        return found->second.connected ? give(found->second.peer_name, address, size) : failed(ENOTCONN);
    }
    int close(int fd) override {
        auto found = sockets_.find(fd);
        if (found == sockets_.end()) return failed(EBADF);
        Socket socket = std::move(found->second);
        sockets_.erase(found);
        if (Socket* peer = find(socket.peer)) {
            // As over TCP: a close with unread input resets the connection.
            if (!socket.incoming.empty()) peer->reset = true;
            peer->peer = -1;
            peer->at_end = true;
            changed.push_back(socket.peer);
        }
        for (int waiting : socket.backlog) {
            reset(waiting);
            close(waiting);
        }
        return 0;
    }

    bool readable(int fd) override { return poll(fd, POLLIN) > 0; }

    // ---- calls that may return must_wait

    int connect(int fd, const SocketAddress& to) {
        if (!has(fd)) return -EBADF;
        if (sockets_.at(fd).connected) return -EISCONN;
        for (auto& [number, other] : sockets_) {
            if (!other.listening || !reaches(to, other.name)) continue;
            int accepted = create(to.family());
            Socket& client = sockets_.at(fd);
            if (to.is_ip() && !client.bound) client.name = loopback(to).with_port(next_port_++);
            sockets_.at(accepted).name = to;
            join(fd, accepted);
            other.backlog.push_back(accepted);
            changed.push_back(number);
            return 0;
        }
        return to.is_unix() && !to.path().starts_with('@') ? -ENOENT : -ECONNREFUSED;
    }
    int accept(int fd) {
        Socket* socket = find(fd);
        if (!socket) return -EBADF;
        if (!socket->listening) return -EINVAL;
        if (socket->backlog.empty()) return must_wait;
        int accepted = socket->backlog.front();
        socket->backlog.pop_front();
        return accepted;
    }
    // Number of bytes that can be received now; 0 at the end of the stream.
    int receivable(int fd) {
        Socket* socket = find(fd);
        if (!socket) return -EBADF;
        if (!socket->connected) return -ENOTCONN;
        if (!socket->incoming.empty())
            return static_cast<int>(std::min<std::size_t>(socket->incoming.size(), 1U << 30));
        if (socket->reset) return -ECONNRESET;
        return socket->at_end ? 0 : must_wait;
    }
    int receive(int fd, char* data, std::size_t size) {
        int there = receivable(fd);
        if (there <= 0) return there;
        Socket& socket = sockets_.at(fd);
        size = std::min(size, static_cast<std::size_t>(there));
        std::copy_n(socket.incoming.begin(), size, data);
        socket.incoming.erase(0, size);
        changed.push_back(socket.peer);
        return static_cast<int>(size);
    }
    // Number of bytes that can be sent now.
    int sendable(int fd) {
        Socket* socket = find(fd);
        if (!socket) return -EBADF;
        if (socket->reset) return -ECONNRESET;
        if (!socket->connected) return -ENOTCONN;
        Socket* peer = find(socket->peer);
        if (!peer || socket->shut) return -EPIPE;
        int room = static_cast<int>(peer->capacity - std::min(peer->capacity, peer->incoming.size()));
        return room > 0 ? room : must_wait;
    }
    int send(int fd, const char* data, std::size_t size) {
        int room = sendable(fd);
        if (room < 0) return room;
        size = std::min(size, static_cast<std::size_t>(room));
        Socket& socket = sockets_.at(fd);
        sockets_.at(socket.peer).incoming.append(data, size);
        changed.push_back(socket.peer);
        return static_cast<int>(size);
    }
    int shutdown(int fd) {
        Socket* socket = find(fd);
        if (!socket) return -EBADF;
        Socket* peer = find(socket->peer);
        if (!peer) return -ENOTCONN;
        socket->shut = peer->at_end = true;
        changed.push_back(socket->peer);
        return 0;
    }
    int poll(int fd, unsigned events) {
        Socket* socket = find(fd);
        if (!socket) return -EBADF;
        unsigned now = 0;
        if (socket->listening ? !socket->backlog.empty() : receivable(fd) != must_wait) now |= POLLIN;
        if (!socket->listening && sendable(fd) != must_wait) now |= POLLOUT;
        if (socket->at_end) now |= POLLRDHUP;
        if (socket->reset) now |= POLLERR | POLLHUP;
        now &= events | POLLERR | POLLHUP;
        return now ? static_cast<int>(now) : must_wait;
    }
    // Resets a connection at both ends; unread input is lost.
    void reset(int fd) {
        for (int end : {fd, sockets_.at(fd).peer})
            if (Socket* socket = find(end)) {
                socket->reset = true;
                socket->incoming.clear();
                changed.push_back(end);
            }
    }

protected:
    ~Network() = default;

    struct Socket {
        SocketAddress name, peer_name;
        bool bound = false, listening = false, connected = false;
        bool at_end = false, shut = false, reset = false;  // at_end: shut down by the peer; shut: by this end
        int peer = -1;
        std::size_t capacity = 0;  // of the receive buffer, in bytes
        std::string incoming;
        std::deque<int> backlog;
    };
    Socket* find(int fd) noexcept {
        auto found = sockets_.find(fd);
        return found == sockets_.end() ? nullptr : &found->second;
    }

private:
    static int failed(int error) noexcept { return errno = error, -1; }
    static int give(const SocketAddress& from, sockaddr* address, socklen_t* size) noexcept {
        std::memcpy(address, from.data(), std::min(*size, from.size()));
        *size = from.size();
        return 0;
    }
    static bool reaches(const SocketAddress& to, const SocketAddress& name) {
        if (to == name) return true;
        if (!to.is_ip() || to.port() != name.port()) return false;
        return name == *SocketAddress::from_host("::", name.port()) ||
               (to.is_v4() && name == *SocketAddress::from_host("0.0.0.0", name.port()));
    }
    static SocketAddress loopback(const SocketAddress& like) {
        return *SocketAddress::from_host(like.is_v4() ? "127.0.0.1" : "::1", 0);
    }
    // The lowest free number, as the kernel assigns it: code that uses a closed descriptor reaches another
    // socket.
    int create(int) {
        int fd = first;
        for (auto& [number, socket] : sockets_) {
            if (number != fd) break;
            ++fd;
        }
        sockets_[fd].capacity = random_.between(1, 64) << 10;
        return fd;
    }
    void join(int a, int b) {
        Socket &one = sockets_.at(a), &other = sockets_.at(b);
        one.peer = b;
        other.peer = a;
        one.peer_name = other.name;
        other.peer_name = one.name;
        one.connected = other.connected = true;
    }

    Random& random_;
    std::map<int, Socket> sockets_;
    std::uint16_t next_port_ = 49152;
};

}  // namespace magnetar::inline MAGNETAR_MODE::testing::detail
