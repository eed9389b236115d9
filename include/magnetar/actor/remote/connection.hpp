#pragma once
#include <optional>
#include <string>

#include <magnetar/actor/remote/link.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/job.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Whether a connection to a remote arbiter that ends is made again, and when.
struct ReconnectPolicy {
    /// How often it is tried before it is given up, counted from each end; 0: never.
    std::uint32_t attempts = 0;
    /// The pause before the first of them; each failure doubles it. The true one is between half of that and
    /// all of it, so that many clients of one arbiter do not all come at once.
    std::chrono::nanoseconds backoff = std::chrono::milliseconds(100);
    /// The longest pause.
    std::chrono::nanoseconds max_backoff = std::chrono::seconds(10);
};

namespace detail {

// What RemoteArbiters share: the link of now, and a job that makes the next one.
class RemoteConnection : public Counted {
public:
    using Ref = CountedRef<RemoteConnection>;

    // Throws what RemoteLink::connect throws; later failures are tried again, if at all.
    MAGNETAR_LAZY static Task<Ref> open(std::string url, std::string token, ReconnectPolicy policy);

    const RemoteLink::Ref& link() const noexcept { return link_; }
    void close() noexcept;
    // Waits until it has ended, and is not made again.
    MAGNETAR_LAZY static Task<> closed(Ref connection);

private:
    friend class CountedRef<RemoteConnection>;
    RemoteConnection(RemoteLink::Ref link, std::string url, std::string token, const ReconnectPolicy& policy)
        : link_(std::move(link)), url_(std::move(url)), token_(std::move(token)), policy_(policy) {}
    ~RemoteConnection() = default;

    MAGNETAR_LAZY static Task<> keep(Ref connection);
    // Replaces the link that has ended; false when it cannot be made.
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
