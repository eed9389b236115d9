#pragma once
#include <cstddef>
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

// Owned jointly by its DatagramSocket and each operation in flight, until the kernel no longer uses the
// memory.
struct DatagramCore : Pooled {
    static constexpr std::size_t largest = 64 << 10;  // in bytes, above the maximum of UDP
    DatagramCore(EventLoop& loop, UniqueFd fd) noexcept : descriptor(loop, std::move(fd)) {}
    struct Hold {
        explicit Hold(DatagramCore& c) noexcept : core(c) { ++core.users; }
        Hold(const Hold&) = delete;
        ~Hold() { core.release(); }
        DatagramCore& core;
    };
    ~DatagramCore() { delete[] memory; }
    void release() noexcept {
        if (--users == 0) delete this;
    }
    Descriptor descriptor;
    char* memory = nullptr;
    unsigned users = 1;
    bool receiving = false;
};

}  // namespace detail

/// A received datagram; its bytes are valid until the next receive on that socket.
struct Datagram {
    ReadData data;  ///< may be empty
    SocketAddress from;
    bool truncated = false;  ///< it was longer than 64 KiB
};

/// Sends and receives datagrams over UDP or a unix socket. Belongs to the loop on which it was made, and must
/// be destroyed before that loop. Allocates 64 KiB of memory at the first receive. Operations throw
/// std::system_error with the address in the text: ECANCELED when the socket is closed while they wait, EBADF
/// afterwards. One coroutine at a time may receive, any number may send.
///
///     DatagramSocket socket = DatagramSocket::bind(SocketAddress::parse("127.0.0.1:0"));
///     Datagram asked = co_await socket.receive_from();
///     co_await socket.send_to("answer", asked.from);
class DatagramSocket {
public:
    /// Binds on the current loop. Port 0 selects a free port, see address(). Throws std::system_error.
    static DatagramSocket bind(const SocketAddress& address);
    /// Takes over a bound socket, on the current loop.
    explicit DatagramSocket(UniqueFd bound)
        : DatagramSocket(EventLoop::require("a datagram socket"), std::move(bound)) {}
    DatagramSocket(DatagramSocket&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    DatagramSocket& operator=(DatagramSocket&& other) noexcept;
    ~DatagramSocket();

    EventLoop& loop() const { return core().descriptor.loop(); }
    SocketAddress address() const { return SocketAddress::of_socket(fd()); }
    bool is_open() const noexcept { return core_ && core_->descriptor; }
    /// For setsockopt and the like; the socket keeps ownership.
    int fd() const { return core().descriptor.get(); }

    /// Sends one datagram. The bytes must stay valid until it completes.
    MAGNETAR_LAZY Task<> send_to(std::string_view data, SocketAddress to);
    /// Waits for the next datagram. Throws std::logic_error when another coroutine is receiving.
    MAGNETAR_LAZY Task<Datagram> receive_from();
    /// Closes at once; waiting operations fail with ECANCELED.
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
    detail::DatagramCore& core() const;
    detail::DatagramCore* core_ = nullptr;
};

static_assert(AsyncObject<DatagramSocket>);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/datagram.ipp>
#endif
