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

// The monitoring endpoints of a program: /metrics, /live and /ready.
namespace magnetar::inline MAGNETAR_MODE::detail {

// The counters of an application's workers, including those that have ended.
class WorkerTotals {
public:
    // The counters of one worker, in the order of `names`.
    static constexpr std::array<std::string_view, 8> names{
        "connections_accepted", "connections_lost", "connections_failed", "connections_idle",
        "bytes_received",       "bytes_sent",       "loop_turns",         "cpu_seconds"};
    using Counters = std::array<double, names.size()>;

    // Accepts the answers of the running workers to info(). A worker that does not answer keeps its last
    // values; the last values of a worker that has ended stay in the sums, so that no sum ever decreases.
    // `asked` increases with every query: answers to an older query than the last one accepted are ignored.
    void update(const std::vector<Json>& workers, std::uint64_t asked);
    // The same for the count of the monitor, which ends with its application.
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

// The metrics in the Prometheus text format, version 0.0.4, from the program's answer to `info`.
std::string metrics_text(const Json& info, const std::map<std::string, WorkerTotals>& totals);

// The state of the arbiter, for a thread that must not wait for it.
struct Vitals {
    std::atomic<std::int64_t> heartbeat_ns{0};  // its last heartbeat, by CLOCK_MONOTONIC
    std::atomic<bool> ready{false};
};
std::int64_t monotonic_ns() noexcept;

// One answer of /metrics, made on the arbiter's loop for the health server's thread. The client that
// requested it may be gone by then.
class MetricsOrder {
public:
    explicit MetricsOrder(std::shared_ptr<const UniqueFd> bell) noexcept : bell_(std::move(bell)) {}
    // Called once.
    void fulfil(std::string text) noexcept;
    // Null until it is fulfilled.
    const std::string* text() const noexcept { return done_ ? &text_ : nullptr; }

private:
    std::shared_ptr<const UniqueFd> bell_;  // an eventfd that the thread waits for
    std::string text_;
    std::atomic<bool> done_{false};
};

// Serves /metrics, /live and /ready over HTTP on a separate thread, so that it answers when the arbiter does
// not: live means a heartbeat within the last 10 s; /metrics times out after 2 s. No client delays another,
// whether it sends its request slowly, waits for its answer or reads it slowly.
class HealthServer {
public:
    // `scrape` is called on that thread and requests that another thread fulfil the order; false when none
    // will. Throws std::system_error when no descriptor is left.
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
