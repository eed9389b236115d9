#pragma once
#include <sys/socket.h>

#include <memory>
#include <string_view>
#include <utility>

#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/async_object.hpp>
#include <magnetar/net/address.hpp>
#include <magnetar/net/detail/descriptor.hpp>
#include <magnetar/net/read_data.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// Kept by its DatagramSocket, and by each receive until the kernel has let go of the memory.
struct DatagramCore : Pooled {
    static constexpr std::size_t largest = 64 << 10;  // the most that UDP carries
    DatagramCore(EventLoop& loop, UniqueFd fd) noexcept : descriptor(loop, std::move(fd)) {}
    struct Hold {
        explicit Hold(DatagramCore& c) noexcept : core(c) { ++core.users; }
        Hold(const Hold&) = delete;
        ~Hold() { core.release(); }
        DatagramCore& core;
    };
    void release() noexcept {
        if (--users == 0) delete this;
    }
    Descriptor descriptor;
    std::unique_ptr<char[]> memory;
    unsigned users = 1;
    bool receiving = false;
};

}  // namespace detail

/// A datagram that has come; its bytes are valid until the next receive on that socket.
struct Datagram {
    ReadData data;  ///< may be empty
    SocketAddress from;
    bool truncated = false;  ///< it was longer than 64 KiB
};

/// Sends and receives datagrams, by UDP or a unix socket. Belongs to the loop on which it was made, and must
/// be destroyed before that. It takes 64 KiB of memory when it first receives. Operations throw
/// std::system_error with the address in the text: ECANCELED when the socket is closed while they wait, EBADF
/// after. One coroutine may receive at a time, any number send.
///
///     DatagramSocket socket = DatagramSocket::bind(SocketAddress::parse("127.0.0.1:0"));
///     Datagram asked = co_await socket.receive_from();
///     co_await socket.send_to("answer", asked.from);
class DatagramSocket {
public:
    /// On the loop that runs now. Port 0 is one that is free; see address(). Throws std::system_error.
    static DatagramSocket bind(const SocketAddress& address) {
        EventLoop& loop = EventLoop::require("a datagram socket");
        UniqueFd fd(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (!fd) throw_system_error(errno, "socket", address.to_string());
        if (::bind(fd.get(), address.data(), address.size()) != 0)
            throw_system_error(errno, "bind", address.to_string());
        return DatagramSocket(loop, std::move(fd));
    }
    /// Takes over a socket that is bound already. On the loop that runs now.
    explicit DatagramSocket(UniqueFd bound)
        : DatagramSocket(EventLoop::require("a datagram socket"), std::move(bound)) {}
    DatagramSocket(DatagramSocket&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    DatagramSocket& operator=(DatagramSocket&& other) noexcept {
        DatagramSocket old(std::move(*this));
        core_ = std::exchange(other.core_, nullptr);
        return *this;
    }
    ~DatagramSocket() {
        if (!core_) return;
        close();
        core_->release();
    }

    EventLoop& loop() const { return core().descriptor.loop(); }
    SocketAddress address() const { return SocketAddress::of_socket(fd()); }
    bool is_open() const noexcept { return core_ && core_->descriptor; }
    /// For setsockopt and the like; it stays the socket's.
    int fd() const { return core().descriptor.get(); }

    // The coroutines are templates because g++ compiles others wherever it sees them, used or not.

    /// Sends one datagram. The bytes must stay until then.
    template <class = void>
    Task<> send_to(std::string_view data, SocketAddress to) {
        detail::DatagramCore::Hold hold(core());
        iovec part{const_cast<char*>(data.data()), data.size()};
        msghdr message{};
        message.msg_name = const_cast<sockaddr*>(to.data());
        message.msg_namelen = to.size();
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        check(co_await detail::On(
                  "send_to", hold.core.descriptor,
                  [&](io_uring_sqe* sqe, int fd) { io_uring_prep_sendmsg(sqe, fd, &message, MSG_NOSIGNAL); }),
              "send to", to.to_string());
    }
    /// Waits for the next datagram. Throws std::logic_error when another coroutine is receiving.
    template <class = void>
    Task<Datagram> receive_from() {
        detail::DatagramCore::Hold hold(core());
        auto& core = hold.core;
        if (core.receiving)
            throw std::logic_error("receive_from a socket from which another coroutine is receiving");
        if (!core.memory) core.memory.reset(new char[core.largest]);
        Receiving receiving(core.receiving);
        sockaddr_storage from;
        iovec part{core.memory.get(), core.largest};
        msghdr message{};
        message.msg_name = &from;
        message.msg_namelen = sizeof from;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        int n = co_await detail::On("receive_from", core.descriptor, [&](io_uring_sqe* sqe, int fd) {
            io_uring_prep_recvmsg(sqe, fd, &message, 0);
        });
        if (n < 0)
            throw_system_error(-n, "receive",
                               core.descriptor ? address().to_string() : "from a closed socket");
        co_return Datagram{ReadData(core.memory.get(), static_cast<std::size_t>(n)),
                           SocketAddress(reinterpret_cast<sockaddr*>(&from), message.msg_namelen),
                           (message.msg_flags & MSG_TRUNC) != 0};
    }
    /// Closes at once; operations that wait end with ECANCELED.
    void close() noexcept {
        if (core_) core_->descriptor.close();
    }

private:
    struct Receiving {
        explicit Receiving(bool& f) noexcept : flag(f) { flag = true; }
        ~Receiving() { flag = false; }
        bool& flag;
    };
    DatagramSocket(EventLoop& loop, UniqueFd fd) : core_(new detail::DatagramCore(loop, std::move(fd))) {}
    detail::DatagramCore& core() const {
        if (!core_) throw std::logic_error("use of a datagram socket that was moved from");
        return *core_;
    }
    detail::DatagramCore* core_ = nullptr;
};

static_assert(AsyncObject<DatagramSocket>);

}  // namespace magnetar::inline MAGNETAR_MODE
