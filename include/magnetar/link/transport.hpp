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

// A byte stream to and from another process, over a socket pair of the kernel or of a simulation. Output is
// collected during a turn and written without waiting, with its descriptors. Belongs to one loop.
class Transport {
public:
    // Receives the input.
    class Receiver {
    public:
        // An empty descriptor stands for descriptors that were lost for lack of space. Returns false to stop
        // reading.
        virtual bool received(std::span<const std::byte> bytes, std::vector<UniqueFd> descriptors) = 0;

    protected:
        ~Receiver() = default;
    };

    Transport(EventLoop& loop, UniqueFd fd);
    Transport(const Transport&) = delete;

    // The output buffer: append output here.
    Writer& out() noexcept { return out_; }
    // Sends the descriptor with the bytes appended last.
    void pass(UniqueFd fd) { passing_.push_back({out_.size(), std::move(fd)}); }
    void flush_soon() noexcept { loop_.at_turn_end(flush_); }
    void flush() noexcept;
    std::size_t unsent() const noexcept { return out_.size() - sent_; }

    // While more than `most_unsent` bytes wait to be written, nothing is read until half of that limit is
    // reached. If no byte is written for `patience`, run() throws FrameError.
    void limit(std::size_t most_unsent, LoopClock::duration patience) noexcept {
        most_unsent_ = most_unsent;
        patience_ = patience;
    }
    // Reads until the end of the stream, and writes pending output when the socket accepts it. Throws the
    // exceptions of the receiver, and std::system_error.
    Task<> run(Receiver& receiver);
    // Closes the connection from this side: run() returns.
    void shut_down() noexcept;
    void close() noexcept { fd_.reset(); }

private:
    struct Flush : TurnHook {
        explicit Flush(Transport& t) noexcept;
        Transport& transport;
    };
    // A descriptor is sent with the first byte of a write; that write ends with the bytes it belongs to.
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
    std::size_t sent_ = 0;     // bytes of out_ already written
    std::size_t written_ = 0;  // total bytes written
    std::deque<Passing> passing_;
    Flush flush_;
    Event blocked_;  // the socket accepts no more output
    Event drained_;  // few enough bytes wait to be written, or the transport ends
    std::size_t most_unsent_ = SIZE_MAX;
    LoopClock::duration patience_ = LoopClock::duration::max();
    bool ending_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/link/impl/transport.ipp>
#endif
