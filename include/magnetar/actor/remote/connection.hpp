#pragma once
#include <optional>
#include <string>

#include <magnetar/actor/remote/link.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/job.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Whether and when a lost connection to a remote arbiter is opened again.
struct ReconnectPolicy {
    /// Number of attempts after each loss of the connection; 0: none.
    std::uint32_t attempts = 0;
    /// The pause before the first attempt; each failure doubles it. The actual pause is random, between half
    /// of that and all of it, so that the clients of one arbiter do not all reconnect at once.
    std::chrono::nanoseconds backoff = std::chrono::milliseconds(100);
    /// The longest pause.
    std::chrono::nanoseconds max_backoff = std::chrono::seconds(10);
};

namespace detail {

// The state of a RemoteArbiter: the current link, and a job that replaces it when it ends.
class RemoteConnection : public Counted {
public:
    using Ref = CountedRef<RemoteConnection>;

    // Throws what RemoteLink::connect throws: the first attempt is never repeated.
    MAGNETAR_LAZY static Task<Ref> open(std::string url, std::string token, ReconnectPolicy policy);

    const RemoteLink::Ref& link() const noexcept { return link_; }
    void close() noexcept;
    // Waits until the connection has ended for good.
    MAGNETAR_LAZY static Task<> closed(Ref connection);

private:
    friend class CountedRef<RemoteConnection>;
    RemoteConnection(RemoteLink::Ref link, std::string url, std::string token, const ReconnectPolicy& policy)
        : link_(std::move(link)), url_(std::move(url)), token_(std::move(token)), policy_(policy) {}
    ~RemoteConnection() = default;

    MAGNETAR_LAZY static Task<> keep(Ref connection);
    // Replaces the link that has ended; false when no attempt succeeds.
    MAGNETAR_LAZY static Task<bool> connect_again(Ref connection);

    RemoteLink::Ref link_;
    std::string url_, token_;
    ReconnectPolicy policy_;
    std::optional<Job<>> keeping_;
    Event over_;
    bool closing_ = false;
};

}  // namespace detail
}  // namespace magnetar::inline MAGNETAR_MODE
