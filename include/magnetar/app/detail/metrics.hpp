#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/listening_socket.hpp>
#include <magnetar/wire/json.hpp>

// What machines read of a program: /metrics, /live and /ready.
namespace magnetar::inline MAGNETAR_MODE::detail {

// What an application's workers have counted, with those that have ended.
class WorkerTotals {
public:
    // The counters of one worker, in the order of `names`.
    static constexpr std::array<std::string_view, 8> names{
        "connections_accepted", "connections_lost", "connections_failed", "connections_idle",
        "bytes_received",       "bytes_sent",       "loop_turns",         "cpu_seconds"};
    using Counters = std::array<double, names.size()>;

    // Takes what the workers that run answer to info(). One that does not answer keeps what it said last;
    // what one that is not there any more said last stays in the sums, so that none ever falls. `asked` rises
    // with each time they are asked: answers that come after those to a later question are too old.
    void update(const std::vector<Json>& workers, std::uint64_t asked);
    // The same for what the monitor counts, which ends with its application.
    void update_restarts(double restarts) noexcept {
        if (restarts > restarts_) restarts_ = restarts;
    }
    Counters sums() const;
    double restarts() const noexcept { return restarts_; }

private:
    static Counters read(const Json& worker);
    std::map<std::string, Counters> last_;  // by the worker's id
    Counters ended_{};
    std::uint64_t asked_ = 0;
    double restarts_ = 0;
};

// The text that Prometheus reads, version 0.0.4, from what the program answers to `info`.
std::string metrics_text(const Json& info, const std::map<std::string, WorkerTotals>& totals);

// How the arbiter is, for a thread that must not wait for it.
struct Vitals {
    std::atomic<std::int64_t> heartbeat_ns{0};  // when its loop last turned, by CLOCK_MONOTONIC
    std::atomic<bool> ready{false};
};
std::int64_t monotonic_ns() noexcept;

// One text of /metrics, which the arbiter's loop makes for the health server's thread. Who has ordered it may
// be gone by then.
class MetricsOrder {
public:
    explicit MetricsOrder(std::shared_ptr<const UniqueFd> bell) noexcept : bell_(std::move(bell)) {}
    // Once.
    void fulfil(std::string text) noexcept;
    // Null as long as it is not there.
    const std::string* text() const noexcept { return done_ ? &text_ : nullptr; }

private:
    std::shared_ptr<const UniqueFd> bell_;  // an eventfd that the thread waits for
    std::string text_;
    std::atomic<bool> done_{false};
};

// Serves /metrics, /live and /ready over HTTP by a thread of its own, so that it answers when the arbiter
// does not: live means a heartbeat within the last 10 s; /metrics gives up after 2 s. No client waits for
// another: neither for its request, nor for its answer to be made, nor until it has read it.
class HealthServer {
public:
    // `scrape` is called on that thread, and has the order fulfilled on another; false when nobody will. Throws
    // std::system_error when no descriptor is left.
    HealthServer(ListeningSocket socket, Vitals& vitals, bool (*scrape)(std::shared_ptr<MetricsOrder>));
    HealthServer(const HealthServer&) = delete;
    ~HealthServer();

private:
    struct State;
    State* state_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/metrics.ipp>
#endif
