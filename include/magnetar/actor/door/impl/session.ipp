#pragma once

#include <magnetar/actor/door/session.hpp>

#include <sys/socket.h>

#include <magnetar/actor/door/error_json.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

inline constexpr CloseCode try_again_later{1013};  // of the IANA registry

MAGNETAR_DECL DoorSession::Place::~Place() {
    if (!session_) return;
    --*count_;
    session_->changed_.set();
}

MAGNETAR_LAZY_BODY DoorSession::DoorSession(const DoorOptions& limits, Connection& connection, DoorRole role,
                                            Task<Json> (*perform)(DoorRequest, DoorRole))
    : Timer([](Timer& timer) { static_cast<DoorSession&>(timer).tick(); }),
      limits_(limits),
      connection_(connection),
      loop_(connection.loop()),
      decoder_(FrameRules{Masking::required, limits.max_message, limits.max_message}),
      heard_(loop_.now()),
      role_(role),
      perform_(perform) {
    watch_silence();
}
MAGNETAR_DECL DoorSession::~DoorSession() { loop_.disarm(*this); }

MAGNETAR_LAZY_BODY Task<> DoorSession::run(std::string first) {
    bool cancelled = false;
    std::exception_ptr failure;
    try {
        if (!first.empty()) take(std::as_bytes(std::span(first.data(), first.size())));
        co_await read();
        if (connection_.server_closes() && !closing_ && !over_) {
            co_await requests_done();
            begin_close(CloseCode::going_away, "the arbiter stops");
        }
        co_await flushed();
    } catch (const Cancelled&) {
        cancelled = true;
    } catch (...) {
        failure = std::current_exception();
    }
    if (cancelled) close_at_once();
    loop_.disarm(*this);
    connection_.close();
    co_await end_jobs();
    if (cancelled) throw Cancelled();
    if (failure && !closing_) std::rethrow_exception(failure);
}

MAGNETAR_LAZY_BODY Task<> DoorSession::read() {
    while (!over_) {
        ReadData data = co_await connection_.read_some();
        if (!data) co_return;
        heard_ = loop_.now();
        pinged_ = false;
        if (!deaf_) take(data.bytes());
        // A client whose tells find no room is not read from, and its silence does not count then.
        while (tells_ >= limits_.max_requests && !closing_ && !over_) {
            paused_ = true;
            changed_.clear();
            co_await changed_.wait();
        }
        paused_ = false;
    }
}

MAGNETAR_LAZY_BODY void DoorSession::take(std::span<const std::byte> bytes) {
    try {
        decoder_.feed(bytes);
        while (auto message = decoder_.next()) take_frame(*message);
    } catch (const FrameError& error) {
        deaf_ = true;
        begin_close(error.code(), error.what());
    }
}

MAGNETAR_LAZY_BODY void DoorSession::take_frame(const magnetar::WebSocketMessage& message) {
    switch (message.opcode) {
        case Opcode::text:
            if (!closing_) take_text(message.text());
            break;
        case Opcode::binary:
            deaf_ = true;
            begin_close(CloseCode::unsupported_data, "a message is a text");
            break;
        case Opcode::ping:
            if (closing_) break;
            if (auto before = out_.size() + sending_.size(); true) {
                append_frame(out_, Opcode::pong, message.payload);
                if (has_room(before)) flush_soon();
            }
            break;
        case Opcode::close: {
            over_ = true;
            auto code = parse_close(message.payload).code;
            if (!std::exchange(closing_, true)) append_close(out_, CloseReason{code});
            flush_soon();
            break;
        }
        default:
            break;
    }
}

MAGNETAR_LAZY_BODY void DoorSession::take_text(std::string_view text) {
    Json id;
    DoorRequest request;
    std::exception_ptr failure;
    try {
        Json message = Json::parse(text);
        id = id_of(message);
        request = read_request(std::move(message));
        if (requests_ >= limits_.max_requests && !request.id.is_null())
            throw MailboxFull(fmt::format("more than {} requests in flight", limits_.max_requests));
    } catch (const std::exception&) {
        failure = std::current_exception();
    }
    if (failure) return answer(id, "error", to_error_json(failure));
    auto& count = request.id.is_null() ? tells_ : requests_;
    loop_.start(carry_out(Place(*this, count), std::move(request)), nullptr).detach();
}

MAGNETAR_LAZY_BODY Task<> DoorSession::carry_out(Place place, DoorRequest request) {
    DoorSession& session = place.session();
    Running running;
    session.running_.push_back(running);
    Json id = std::move(request.id), result;
    std::exception_ptr failure;
    try {
        result = co_await session.perform_(std::move(request), session.role_);
    } catch (const std::exception&) {
        failure = std::current_exception();
    }
    if (id.is_null()) co_return;
    if (failure) session.answer(id, "error", to_error_json(failure));
    else session.answer(id, "result", result);
}

MAGNETAR_LAZY_BODY void DoorSession::answer(const Json& id, const char* member, const Json& value) {
    if (closing_ || broken_) return;
    auto before = out_.size() + sending_.size();
    append_frame(out_, Opcode::text, [&] {
        auto put = [this](std::string_view text) {
            out_.append(std::as_bytes(std::span(text.data(), text.size())));
        };
        put("{\"id\":");
        id.dump_to(out_);
        put(",\"");
        put(member);
        put("\":");
        value.dump_to(out_);
        put("}");
    });
    if (has_room(before)) flush_soon();
}

// One alone may be longer than the limit.
MAGNETAR_LAZY_BODY bool DoorSession::has_room(std::size_t before) {
    if (before == 0 || out_.size() + sending_.size() <= limits_.max_unsent) return true;
    out_ = Writer();
    begin_close(try_again_later, "answers are not read");
    return false;
}

MAGNETAR_LAZY_BODY void DoorSession::flush_soon() {
    if (flushes_ == 0 && !broken_ && !out_.empty())
        loop_.start(flush(Place(*this, flushes_)), nullptr).detach();
}
MAGNETAR_LAZY_BODY Task<> DoorSession::flush(Place place) {
    DoorSession& session = place.session();
    Running running;
    session.running_.push_back(running);
    while (!session.out_.empty() && !session.broken_) {
        session.sending_.swap(session.out_);
        try {
            co_await session.connection_.write(session.sending_.bytes());
        } catch (const std::exception&) {
            session.broken_ = true;  // the reader sees it, too
        }
        session.sending_ = Writer();
    }
    if (session.broken_) session.out_ = Writer();
}
MAGNETAR_LAZY_BODY Task<> DoorSession::flushed() {
    while (flushes_ > 0) {
        changed_.clear();
        co_await changed_.wait();
    }
}
MAGNETAR_LAZY_BODY Task<> DoorSession::requests_done() {
    while (requests_ + tells_ > 0) {
        changed_.clear();
        co_await changed_.wait();
    }
}

MAGNETAR_LAZY_BODY void DoorSession::begin_close(CloseCode code, std::string_view reason) {
    if (std::exchange(closing_, true)) return;
    append_close(out_, {code, reason});
    flush_soon();
    changed_.set();
    loop_.arm(*this, deadline_after(loop_.now(), limits_.close_timeout));
}

// There is no time to wait for anything: the frame goes if there is room for it, and nothing of another is
// half sent.
MAGNETAR_DECL void DoorSession::close_at_once() noexcept {
    int fd = connection_.is_open() ? connection_.fd() : -1;
    if (fd < 0 || VirtualSockets::of(fd) || closing_ || flushes_ > 0) return;
    Writer frame;
    append_close(frame, {CloseCode::going_away, "the arbiter stops"});
    (void)::send(fd, frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

MAGNETAR_LAZY_BODY Task<> DoorSession::end_jobs() {
    closing_ = true;
    for (int round = 0; requests_ + tells_ + flushes_ > 0; ++round) {
        running_.for_each([](Running& running) { running.job->cancel(); });
        if (round < 8) co_await yield();
        else co_await sleep(std::chrono::milliseconds(1));
    }
}

MAGNETAR_LAZY_BODY void DoorSession::tick() noexcept {
    if (closing_) return connection_.close();
    if (paused_) heard_ = loop_.now();
    auto quiet = loop_.now() - heard_;
    if (limits_.silence.count() > 0 && quiet >= limits_.silence)
        return begin_close(CloseCode::going_away, "nothing was heard for too long");
    if (limits_.ping_after.count() > 0 && quiet >= limits_.ping_after && !std::exchange(pinged_, true)) {
        append_frame(out_, Opcode::ping, std::string_view());
        flush_soon();
    }
    watch_silence();
}
// Moving the timer with every message would cost more than looking, when it fires, how long it has been.
MAGNETAR_DECL void DoorSession::watch_silence() noexcept {
    auto from = heard_;
    LoopClock::duration limit = limits_.ping_after;
    if (pinged_ || limit.count() == 0) limit = limits_.silence;
    if (pinged_ && limit.count() == 0) {  // nothing ends it, and the next ping is due
        pinged_ = false;
        from = loop_.now();
        limit = limits_.ping_after;
    }
    if (limit.count() > 0) loop_.arm(*this, deadline_after(from, limit));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
