#pragma once
#include <cstdint>
#include <string>

#include <magnetar/actor/door/request.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/connection.hpp>
#include <magnetar/net/detail/websocket_connection.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// One client of the arbiter, from the upgrade to the end of its connection: its requests, and the count of
// those that are being carried out. It lives in its connection's job.
class DoorSession final : WebSocketConnection::Owner {
public:
    using Perform = Task<Json> (*)(DoorRequest request, DoorRole role);

    // So many requests may be in flight, and so many tells.
    DoorSession(Connection& connection, const WebSocketConnection::Limits& limits, std::uint32_t max_requests,
                DoorRole role, Perform perform);
    DoorSession(const DoorSession&) = delete;

    // Serves the client until one of both has had enough; `first` is what came behind the upgrade request.
    // When it returns or throws, nothing that it started lives any more.
    MAGNETAR_LAZY Task<> run(std::string first);

private:
    // Counts a job of the session's for as long as it lives, also before it runs.
    class Place {
    public:
        Place(DoorSession& session, std::uint32_t& count) noexcept : session_(&session), count_(&count) {
            ++*count_;
        }
        Place(Place&& other) noexcept
            : session_(std::exchange(other.session_, nullptr)), count_(other.count_) {}
        ~Place();
        DoorSession& session() const noexcept { return *session_; }

    private:
        DoorSession* session_;
        std::uint32_t* count_;
    };
    // A job that can be cancelled, while it runs.
    struct Running : ListNode {
        JobBase* job = current_job();
    };

    MAGNETAR_LAZY Task<> read();
    void take_text(std::string_view text) override;
    void closing(std::string_view) noexcept override { changed_.set(); }
    MAGNETAR_LAZY static Task<> carry_out(Place place, DoorRequest request);
    void answer(const Json& id, const char* member, const Json& value);
    MAGNETAR_LAZY Task<> requests_done();
    MAGNETAR_LAZY Task<> end_requests();

    Connection& connection_;
    WebSocketConnection socket_;
    List<Running> running_;
    Event changed_;  // one of its requests has ended, or the connection closes
    Perform perform_;
    std::uint32_t max_requests_, requests_ = 0, tells_ = 0;
    DoorRole role_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
