#pragma once
#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include <magnetar/base/detail/list.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/engine.hpp>
#include <magnetar/testing/detail/network.hpp>
#include <magnetar/testing/faults.hpp>
#include <magnetar/testing/random.hpp>
#include <magnetar/testing/trace.hpp>

namespace magnetar::inline MAGNETAR_MODE::testing {

/// The engine of simulations: its sockets are in memory, and its time advances only when no work is left. It
/// implements NOP, POLL_ADD, RECV, SEND, SENDMSG, READ, WRITE, WRITEV, ACCEPT, CONNECT, SHUTDOWN, CLOSE,
/// PROVIDE_BUFFERS and ASYNC_CANCEL (by user_data), on stream sockets; other operations complete with
/// -EINVAL. It receives no events of kernel descriptors. While it exists, every stream socket made on its
/// thread is a simulated one.
class SimulationEngine final : public Engine, private detail::Network {
public:
    /// Called before virtual time advances to `next`; time_point::max(): no event will ever come. `quiet`: no
    /// operation can proceed, and the loop waits for timers alone. Returns true when there is work now: time
    /// then does not advance.
    struct Idle {
        virtual bool idle(bool quiet, LoopClock::time_point next) noexcept = 0;

    protected:
        ~Idle() = default;
    };

    /// Throws std::logic_error when the thread has a simulation already.
    SimulationEngine(Random& random, Faults& faults, Trace& trace, Idle& idle)
        : Network(random), random_(random), faults_(faults), trace_(trace), idle_(idle) {
        if (VirtualSockets::here) throw std::logic_error("a thread has one simulation at a time");
        VirtualSockets::here = this;
    }
    ~SimulationEngine() override { VirtualSockets::here = nullptr; }

    using Network::open_sockets;
    std::string_view name() const noexcept override { return "simulation"; }
    LoopClock::time_point now() noexcept override { return time_; }
    bool pending() const noexcept override { return !submitted_.empty() || next_due() <= time_; }
    void poll() noexcept override {
        // Work that is ready in every turn would otherwise keep virtual time from advancing.
        if (pending()) polls_in_vain_ = 0;
        else if (++polls_in_vain_ % 1000 == 0) time_ += std::chrono::microseconds(1);
        begin_submitted();
        advance_some();
        deliver_all();
    }
    void wait(LoopClock::time_point until) noexcept override {
        if (pending()) return poll();
        auto next = std::min(next_due(), until);
        if (idle_.idle(next_due() == LoopClock::time_point::max(), next)) return;
        if (next == LoopClock::time_point::max()) give_up();
        time_ = next;
        polls_in_vain_ = 0;
        poll();
    }

protected:
    io_uring_sqe* entry() noexcept override { return &submitted_.emplace_back(); }

private:
    // An operation in flight. It is in the list of its descriptor, and in due_ while an attempt is scheduled.
    struct Pending : magnetar::detail::ListNode, io_uring_sqe {
        Pending(const io_uring_sqe& sqe, std::uint64_t n) noexcept : io_uring_sqe(sqe), number(n) {}
        std::uint64_t number;
        unsigned done = 0;
        bool due = false, ending = false;
        int result = 0;  // its final result, if `ending`
        unsigned ending_flags = 0;
    };
    struct Completed {
        std::uint64_t user_data, number;
        unsigned opcode;
        int result;
        unsigned flags;
    };

    LoopClock::time_point next_due() const noexcept {
        return due_.empty() ? LoopClock::time_point::max() : due_.begin()->first;
    }
    [[noreturn]] static void give_up() noexcept {
        fmt::print(stderr, "magnetar: a simulation waits for an event that can never occur\n");
        std::abort();
    }

    // ---- operations

    void begin_submitted() {
        for (const io_uring_sqe& sqe : submitted_) begin(sqe);
        submitted_.clear();
        touch_changed();
    }
    void begin(const io_uring_sqe& sqe) {
        std::uint64_t number = ++operations_;
        switch (magnetar::detail::is_known(sqe) ? unsigned{sqe.opcode} : unsigned{IORING_OP_LAST}) {
            case IORING_OP_ASYNC_CANCEL:
                if (auto found = pending_.find(sqe.addr); found != pending_.end())
                    cancel_pending(*found->second);
                return;
            case IORING_OP_PROVIDE_BUFFERS:
                for (int i = 0; i < sqe.fd; ++i)
                    buffers_[sqe.buf_group].push_back(
                        {sqe.addr + static_cast<std::uint64_t>(i) * sqe.len, sqe.len,
                         static_cast<std::uint16_t>(sqe.off + static_cast<unsigned>(i)), 0});
                return complete(sqe, number, 0, 0);
            case IORING_OP_CLOSE:
                return complete(sqe, number, VirtualSockets::of(sqe.fd) ? close(sqe.fd) : ::close(sqe.fd), 0);
            case IORING_OP_LAST:
                return complete(sqe, number, -EINVAL, 0);
            default:
                break;
        }
        Pending& operation = *pending_.emplace(sqe.user_data, std::make_unique<Pending>(sqe, number))->second;
        on_[sqe.fd].push_back(operation);
        try_later(operation);
    }
    // No operation completes at once, and operations begun together complete in any order.
    void try_later(Pending& operation) {
        if (std::exchange(operation.due, true)) return;
        auto delay = LoopClock::duration::zero();
        if (random_.chance(faults_.delays))
            delay += std::chrono::nanoseconds(
                random_.below(static_cast<std::uint64_t>(faults_.longest_delay.count())));
        due_.emplace(time_ + delay, &operation);
    }
    void touch_changed() {
        for (int fd : std::exchange(changed, {}))
            if (auto found = on_.find(fd); found != on_.end())
                found->second.for_each([&](Pending& operation) { try_later(operation); });
    }
    void advance_some() {
        std::vector<Pending*> now;
        for (auto end = due_.upper_bound(time_); due_.begin() != end; due_.erase(due_.begin()))
            now.push_back(due_.begin()->second);
        if (now.empty()) return;
        random_.shuffle(now);
        std::size_t some = random_.between(1, now.size());
        for (std::size_t i = some; i < now.size(); ++i) due_.emplace(time_, now[i]);
        for (std::size_t i = 0; i < some; ++i) advance(*now[i]);
        touch_changed();
    }
    void advance(Pending& operation) {
        operation.due = false;
        if (operation.ending) {
            complete(operation, operation.number, operation.result, operation.ending_flags);
            return forget(operation);
        }
        unsigned flags = 0;
        int result = attempt(operation, flags);
        if (result == detail::must_wait) return;
        bool more = magnetar::detail::is_multishot(operation) &&
                    (operation.opcode == IORING_OP_RECV ? result > 0 : result >= 0) &&
                    !random_.chance(faults_.lost_multishot);
        complete(operation, operation.number, result, more ? flags | IORING_CQE_F_MORE : flags);
        if (more) try_later(operation);
        else forget(operation);
    }
    void forget(Pending& operation) {
        auto found = pending_.find(operation.user_data);
        while (found->second.get() != &operation) ++found;
        pending_.erase(found);
    }
    // A cancelled operation may still succeed, and ends later.
    void cancel_pending(Pending& operation) {
        if (operation.ending) return;
        operation.result =
            random_.chance(0.5) ? attempt(operation, operation.ending_flags) : detail::must_wait;
        if (operation.result == detail::must_wait) operation.result = -ECANCELED;
        operation.ending = true;
        try_later(operation);
    }
    int close(int fd) override {
        if (auto found = on_.find(fd); found != on_.end())
            found->second.for_each([&](Pending& operation) {
                if (std::exchange(operation.ending, true)) return;
                operation.result = -ECANCELED;
                try_later(operation);
            });
        return Network::close(fd);
    }

    // ---- attempts

    int attempt(Pending& operation, unsigned& flags) {
        int fd = operation.fd;
        if (operation.opcode == IORING_OP_NOP) return 0;
        if (!VirtualSockets::of(fd))
            return operation.opcode == IORING_OP_POLL_ADD ? detail::must_wait : -EBADF;
        switch (operation.opcode) {
            case IORING_OP_POLL_ADD:
                return Network::poll(fd, magnetar::detail::polled_events(operation));
            case IORING_OP_RECV:
            case IORING_OP_READ:
                return receive_into(operation, flags);
            case IORING_OP_SEND:
            case IORING_OP_WRITE: {
                iovec one{magnetar::detail::pointer<void>(operation.addr), operation.len};
                return send_parts(fd, &one, 1);
            }
            case IORING_OP_WRITEV:
                return send_parts(fd, magnetar::detail::pointer<const iovec>(operation.addr), operation.len);
            case IORING_OP_SENDMSG: {
                auto& message = *magnetar::detail::pointer<msghdr>(operation.addr);
                return send_parts(fd, message.msg_iov, message.msg_iovlen);
            }
            case IORING_OP_RECVMSG: {
                auto& message = *magnetar::detail::pointer<msghdr>(operation.addr);
                message.msg_controllen = 0;
                return receive_into(fd, static_cast<char*>(message.msg_iov->iov_base),
                                    message.msg_iov->iov_len);
            }
            case IORING_OP_ACCEPT:
                return Network::accept(fd);
            case IORING_OP_CONNECT:
                if (random_.chance(faults_.refusals)) return -ECONNREFUSED;
                return Network::connect(fd, {magnetar::detail::pointer<const sockaddr>(operation.addr),
                                             static_cast<socklen_t>(operation.off)});
            case IORING_OP_SHUTDOWN:
                return Network::shutdown(fd);
            default:
                return -EINVAL;
        }
    }
    // Fewer than `size` bytes at times, see Faults::short_transfers.
    std::size_t some_of(std::size_t size) {
        return size > 1 && random_.chance(faults_.short_transfers) ? random_.between(1, size - 1) : size;
    }
    int receive_into(int fd, char* data, std::size_t size) {
        int there = receivable(fd);
        if (there == detail::must_wait || there < 0) return there;
        if (random_.chance(faults_.resets)) return reset(fd), -ECONNRESET;
        return receive(fd, data, some_of(std::min(size, static_cast<std::size_t>(there) + 1)));
    }
    int receive_into(Pending& operation, unsigned& flags) {
        int there = receivable(operation.fd);
        if (there == detail::must_wait || there < 0) return there;
        if (random_.chance(faults_.resets)) return reset(operation.fd), -ECONNRESET;
        bool select = operation.flags & IOSQE_BUFFER_SELECT;
        auto& buffers = buffers_[operation.buf_group];
        if (select && (buffers.empty() || random_.chance(faults_.no_buffers))) return -ENOBUFS;
        char* data = magnetar::detail::pointer<char>(select ? buffers.back().addr : operation.addr);
        std::size_t size = select && operation.len == 0 ? buffers.back().len : operation.len;
        int result =
            receive(operation.fd, data, some_of(std::min(size, static_cast<std::size_t>(there) + 1)));
        if (result > 0 && select) {
            flags = IORING_CQE_F_BUFFER | static_cast<unsigned>(buffers.back().bid)
                                              << IORING_CQE_BUFFER_SHIFT;
            buffers.pop_back();
        }
        if (result > 0) trace_.add(time_, "bytes", std::string_view(data, static_cast<std::size_t>(result)));
        return result;
    }
    // A non-blocking send: fails with EAGAIN where it would have to wait.
    ssize_t send_now(int fd, const msghdr& message) override {
        int result = send_parts(fd, message.msg_iov, message.msg_iovlen);
        if (result == detail::must_wait) result = -EAGAIN;
        touch_changed();
        return result < 0 ? (errno = -result, -1) : result;
    }
    int shut_down(int fd) override {
        if (find(fd)) Network::shutdown(fd);
        // Readers of this end reach the end of the stream, too.
        if (Socket* socket = find(fd)) socket->at_end = true, changed.push_back(fd);
        touch_changed();
        return 0;
    }
    int send_parts(int fd, const iovec* parts, std::size_t count) {
        int room = sendable(fd);
        if (room < 0) return room;
        if (random_.chance(faults_.resets)) return reset(fd), -ECONNRESET;
        std::string data;
        for (const iovec* part = parts; part != parts + count; ++part)
            data.append(static_cast<const char*>(part->iov_base), part->iov_len);
        return send(fd, data.data(), some_of(data.size()));
    }

    // ---- completions

    void complete(const io_uring_sqe& sqe, std::uint64_t number, int result, unsigned flags) {
        if (sqe.user_data) completed_.push_back({sqe.user_data, number, sqe.opcode, result, flags});
    }
    // Completion handlers may submit operations, so none is called while the operations are iterated.
    void deliver_all() noexcept {
        for (const Completed& done : completed_) {
            if (done.opcode != IORING_OP_PROVIDE_BUFFERS)
                trace_.add(time_, "completion", done.number, done.opcode, done.result, done.flags);
            deliver(done.user_data, done.result, done.flags);
        }
        completed_.clear();
    }

    Random& random_;
    Faults& faults_;
    Trace& trace_;
    Idle& idle_;
    LoopClock::time_point time_{};
    std::uint64_t operations_ = 0, polls_in_vain_ = 0;
    std::deque<io_uring_sqe> submitted_;
    std::vector<Completed> completed_;
    std::unordered_multimap<std::uint64_t, std::unique_ptr<Pending>> pending_;  // by user_data
    std::unordered_map<int, magnetar::detail::List<Pending>> on_;               // by descriptor
    std::multimap<LoopClock::time_point, Pending*> due_;
    std::unordered_map<std::uint16_t, std::vector<io_uring_buf>> buffers_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::testing
