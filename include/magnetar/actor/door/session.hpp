#pragma once
#include <cstdint>
#include <string>

#include <magnetar/actor/door.hpp>
#include <magnetar/actor/door/request.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/connection.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// One client of the arbiter, from the upgrade to the end of its connection: frames, limits and the count of
// what is being carried out. It lives in its connection's job.
//
//     reading ──── its close frame, the end of the stream ────▶ over
//        └── we close: a violation, silence, a slow reader ──▶ closing ── its answer, or close_timeout ──▶ over
class DoorSession : Timer {
public:
    MAGNETAR_LAZY DoorSession(const DoorOptions& limits, Connection& connection, DoorRole role,
                              Task<Json> (*perform)(DoorRequest, DoorRole));
    DoorSession(const DoorSession&) = delete;
    ~DoorSession();

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
    MAGNETAR_LAZY void take(std::span<const std::byte> bytes);
    MAGNETAR_LAZY void take_frame(const magnetar::WebSocketMessage& message);
    MAGNETAR_LAZY void take_text(std::string_view text);
    MAGNETAR_LAZY static Task<> carry_out(Place place, DoorRequest request);
    MAGNETAR_LAZY void answer(const Json& id, const char* member, const Json& value);
    // Has this many bytes more to wait for the client; false when that is too much, and the connection ends.
    MAGNETAR_LAZY bool has_room(std::size_t before);
    MAGNETAR_LAZY void flush_soon();
    MAGNETAR_LAZY static Task<> flush(Place place);
    MAGNETAR_LAZY Task<> flushed();
    MAGNETAR_LAZY Task<> requests_done();
    MAGNETAR_LAZY void begin_close(CloseCode code, std::string_view reason);
    void close_at_once() noexcept;
    MAGNETAR_LAZY Task<> end_jobs();
    MAGNETAR_LAZY void tick() noexcept;
    void watch_silence() noexcept;

    const DoorOptions& limits_;
    Connection& connection_;
    EventLoop& loop_;
    FrameDecoder decoder_;
    Writer out_, sending_;
    List<Running> running_;
    Event changed_;  // one of its jobs has ended
    LoopClock::time_point heard_;
    std::uint32_t requests_ = 0, tells_ = 0, flushes_ = 0;
    DoorRole role_;
    Task<Json> (*perform_)(DoorRequest, DoorRole);
    bool pinged_ = false, closing_ = false, over_ = false, deaf_ = false, broken_ = false, paused_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
