#pragma once
#include <doctest/doctest.h>
#include <magnetar/loop/engine.hpp>

#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <deque>

namespace magnetar::test {

/// An engine whose time stands still until the loop waits, and then jumps to the end of the wait. A NOP
/// completes at the next poll; any other operation waits until it is cancelled.
struct VirtualEngine final : Engine {
    std::string_view name() const noexcept override { return "virtual"; }
    LoopClock::time_point now() noexcept override {
        ++reads;
        return time;
    }
    bool pending() const noexcept override { return !submitted.empty(); }
    void poll() noexcept override {
        auto batch = std::exchange(submitted, {});
        for (const io_uring_sqe& sqe : batch) {
            if (sqe.opcode == IORING_OP_NOP) {
                deliver(sqe.user_data, 0, 0);
            } else if (sqe.opcode == IORING_OP_ASYNC_CANCEL) {
                auto found = std::find_if(waiting.begin(), waiting.end(),
                                          [&](auto& other) { return other.user_data == sqe.addr; });
                if (found == waiting.end()) continue;
                waiting.erase(found);
                deliver(sqe.addr, -ECANCELED, 0);
            } else {
                waiting.push_back(sqe);
            }
        }
    }
    void wait(LoopClock::time_point until) noexcept override {
        if (pending()) return poll();
        if (until == LoopClock::time_point::max()) std::abort();  // nothing could ever wake this loop
        time = std::max(time, until);
        ++waits;
    }

    LoopClock::time_point time{std::chrono::hours(1)};
    int reads = 0, waits = 0;

protected:
    io_uring_sqe* entry() noexcept override { return &submitted.emplace_back(); }

private:
    std::deque<io_uring_sqe> submitted, waiting;
};

}  // namespace magnetar::test
