#pragma once
#include <cstddef>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/wire/bytes.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Bytes to and from another process, over a socket pair of the kernel's or of a simulation's. What is to go
// out is gathered over a turn and written without waiting; descriptors go with it. Belongs to one loop.
class Transport {
public:
    // Who is told what has come.
    class Receiver {
    public:
        // Of descriptors an empty one stands for those that there was no room for. False: to read no more.
        virtual bool received(std::span<const std::byte> bytes, std::vector<UniqueFd> descriptors) = 0;

    protected:
        ~Receiver() = default;
    };

    Transport(EventLoop& loop, UniqueFd fd);
    Transport(const Transport&) = delete;

    // What is to go out is appended here.
    Writer& out() noexcept { return out_; }
    // The descriptor goes with what has been appended last.
    void pass(UniqueFd fd) { passing_.push_back({out_.size(), std::move(fd)}); }
    void flush_soon() noexcept { loop_.at_turn_end(flush_); }
    void flush() noexcept;
    std::size_t unsent() const noexcept { return out_.size() - sent_; }

    // From now on nothing is read while more than this waits to be written, until half of it has gone. When
    // none of it goes for `patience`, read() throws FrameError.
    void limit(std::size_t most_unsent, LoopClock::duration patience) noexcept {
        most_unsent_ = most_unsent;
        patience_ = patience;
    }
    // Reads until the end of the stream, and writes meanwhile what there was no room for. Throws what the
    // receiver does, and std::system_error.
    Task<> run(Receiver& receiver);
    // Ends the connection from this side: run() comes to its end.
    void shut_down() noexcept;
    void close() noexcept { fd_.reset(); }

private:
    struct Flush : TurnHook {
        explicit Flush(Transport& t) noexcept;
        Transport& transport;
    };
    // A descriptor goes with the first byte of a write, which ends with the bytes that it belongs to.
    struct Passing {
        std::size_t end;
        UniqueFd fd;
    };
    Task<> read(Receiver& receiver);
    Task<> write_on();
    Task<> drained();

    EventLoop& loop_;
    UniqueFd fd_;
    Writer out_;
    std::size_t sent_ = 0;     // of it
    std::size_t written_ = 0;  // bytes, ever
    std::deque<Passing> passing_;
    Flush flush_;
    Event blocked_;  // there was no room for more
    Event drained_;  // little enough waits to be written, or this ends
    std::size_t most_unsent_ = SIZE_MAX;
    LoopClock::duration patience_ = LoopClock::duration::max();
    bool ending_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/link/impl/transport.ipp>
#endif
