#pragma once
#include <fmt/core.h>
#include <liburing.h>
#include <poll.h>

#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/actor/door.hpp>
#include <magnetar/actor/door/error_json.hpp>
#include <magnetar/actor/door/request.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/when_any.hpp>
#include <magnetar/loop/operation.hpp>
#include <magnetar/net/connection.hpp>
#include <magnetar/net/detail/websocket_connection.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// One client of the arbiter, from the upgrade to the end of its connection: its requests, and the count of
// those that are being executed. It lives in its connection's job. A template, so that header-only programs
// without a door do not compile it.
template <class = void>
class DoorSession final : WebSocketConnection::Owner {
public:
    DoorSession(Connection& connection, const WebSocketConnection::Limits& limits, const DoorOptions& options,
                DoorRole role, DoorPerform perform)
        : connection_(connection),
          socket_(connection, Masking::required, limits, *this),
          perform_(perform),
          max_requests_(options.max_requests),
          max_in_flight_(options.max_in_flight),
          enough_unsent_(options.max_unsent / 4),
          role_(role) {}
    DoorSession(const DoorSession&) = delete;

    // Serves the client until either side ends the connection; `first` is what was received after the upgrade
    // request. When it returns or throws, everything that it started has ended.
    Task<> run(std::string first) {
        bool cancelled = false;
        std::exception_ptr failure;
        try {
            if (!first.empty()) socket_.take(std::as_bytes(std::span(first.data(), first.size())));
            co_await read();
            if (connection_.server_closes() && !socket_.is_closing()) {
                co_await requests_done();
                socket_.begin_close(CloseCode::going_away, "the arbiter stops");
            }
            co_await socket_.flushed();
        } catch (const Cancelled&) {
            cancelled = true;
        } catch (...) {
            failure = std::current_exception();
        }
        bool expected = socket_.is_closing();
        if (cancelled) socket_.close_at_once(CloseCode::going_away, "the arbiter stops");
        co_await socket_.end();
        co_await end_requests();
        if (cancelled) throw Cancelled();
        if (failure && !expected) std::rethrow_exception(failure);
    }

private:
    // Counts a job of the session, and the bytes of its message, as long as it lives, including the time
    // before it runs.
    class Place {
    public:
        Place(DoorSession& session, std::uint32_t& count, std::size_t bytes) noexcept
            : session_(&session), count_(&count), bytes_(bytes) {
            ++*count_;
            session_->in_flight_ += bytes_;
        }
        Place(Place&& other) noexcept
            : session_(std::exchange(other.session_, nullptr)), count_(other.count_), bytes_(other.bytes_) {}
        ~Place() {
            if (!session_) return;
            --*count_;
            session_->in_flight_ -= bytes_;
            session_->changed_.set();
        }
        DoorSession& session() const noexcept { return *session_; }

    private:
        DoorSession* session_;
        std::uint32_t* count_;
        std::size_t bytes_;
    };
    // A running job that can be cancelled.
    struct Running : ListNode {
        explicit Running(bool answered) noexcept : is_answered(answered) {}
        JobBase* job = current_job();
        bool is_answered;
    };

    Task<> read() {
        while (!socket_.over()) {
            ReadData data = co_await connection_.read_some();
            if (!data) co_return;
            socket_.take(data.bytes());
            if (!has_room()) [[unlikely]]
                co_await room();
        }
    }
    bool has_room() const noexcept {
        return (tells_ < max_requests_ && in_flight_ < max_in_flight_ &&
                socket_.unsent() <= enough_unsent_) ||
               socket_.is_closing();
    }
    // Above the limits, nothing is read from the client, and its end would go unnoticed: so poll for it, and
    // cancel the requests of a client that has gone.
    Task<> room() {
        socket_.set_paused(true);
        for (bool gone = false; !has_room();) {
            changed_.clear();
            if (gone) {
                cancel_running(false);
                if (!has_room()) co_await changed_.wait();
            } else {
                auto ended = co_await when_any(changed_.wait(), its_end(connection_.fd()));
                gone = ended.index() == 1;
            }
        }
        socket_.set_paused(false);
    }
    static Task<> its_end(int fd) {
        co_await submit("door", [fd](io_uring_sqe* sqe) { io_uring_prep_poll_add(sqe, fd, POLLRDHUP); });
    }

    void take_text(std::string_view text) override {
        DoorRequest request;
        std::exception_ptr failure;
        try {
            read_request(Json::parse(text), request);
            if (requests_ >= max_requests_ && !request.id.is_null())
                throw MailboxFull(fmt::format("more than {} requests in flight", max_requests_));
        } catch (const std::exception&) {
            failure = std::current_exception();
        }
        if (failure) return answer(request.id, "error", to_error_json(failure));
        auto& count = request.id.is_null() ? tells_ : requests_;
        connection_.loop()
            .start(carry_out(Place(*this, count, text.size()), std::move(request)), nullptr)
            .detach();
    }
    void closing(std::string_view) noexcept override { changed_.set(); }
    void sent() noexcept override { changed_.set(); }

    static Task<> carry_out(Place place, DoorRequest request) {
        DoorSession& session = place.session();
        const Json& id = request.id;
        Running running(!id.is_null());
        session.running_.push_back(running);
        std::exception_ptr failure;
        try {
            Json result = co_await session.perform_(request, session.role_);
            if (!id.is_null()) session.answer(id, "result", result);
        } catch (const std::exception&) {  // thrown by the command, or the result cannot be sent
            failure = std::current_exception();
        }
        if (failure && !id.is_null()) session.answer(id, "error", to_error_json(failure));
    }

    void answer(const Json& id, const char* member, const Json& value) {
        socket_.send_text([&](Writer& out) {
            std::size_t before = out.size();
            out.append(R"({"id":)");
            id.dump_to(out);
            out.append(R"(,")");
            out.append(member);
            out.append(R"(":)");
            value.dump_to(out);
            out.append("}");
            if (std::size_t size = out.size() - before; size > largest_answer)
                throw CodecError(
                    "", fmt::format("an answer of {} bytes; at most {} can be sent", size, largest_answer));
        });
    }

    Task<> requests_done() {
        while (requests_ + tells_ > 0) {
            changed_.clear();
            co_await changed_.wait();
        }
    }

    void cancel_running(bool tells_too) {
        running_.for_each([tells_too](Running& running) {
            if (running.is_answered || tells_too) running.job->cancel();
        });
    }
    Task<> end_requests() {
        for (int round = 0; requests_ + tells_ > 0; ++round) {
            cancel_running(true);
            if (round < 8) co_await yield();
            else co_await sleep(std::chrono::milliseconds(1));
        }
    }

    Connection& connection_;
    WebSocketConnection socket_;
    List<Running> running_;
    Event changed_;  // a request has ended, answers have been sent, or the connection closes
    DoorPerform perform_;
    std::uint32_t max_requests_, requests_ = 0, tells_ = 0;
    std::size_t max_in_flight_, in_flight_ = 0;  // bytes of requests and tells
    std::size_t enough_unsent_;
    DoorRole role_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
