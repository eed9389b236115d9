#pragma once

#include <magnetar/actor/door/session.hpp>

#include <fmt/core.h>

#include <exception>

#include <magnetar/actor/door/error_json.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL DoorSession::Place::~Place() {
    if (!session_) return;
    --*count_;
    session_->changed_.set();
}

MAGNETAR_DECL DoorSession::DoorSession(Connection& connection, const WebSocketConnection::Limits& limits,
                                       std::uint32_t max_requests, DoorRole role, Perform perform)
    : connection_(connection),
      socket_(connection, Masking::required, limits, *this),
      perform_(perform),
      max_requests_(max_requests),
      role_(role) {}

MAGNETAR_LAZY_BODY Task<> DoorSession::run(std::string first) {
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

MAGNETAR_LAZY_BODY Task<> DoorSession::read() {
    while (!socket_.over()) {
        ReadData data = co_await connection_.read_some();
        if (!data) co_return;
        socket_.take(data.bytes());
        // A client whose tells find no room is not read from.
        while (tells_ >= max_requests_ && !socket_.is_closing()) {
            socket_.set_paused(true);
            changed_.clear();
            co_await changed_.wait();
        }
        socket_.set_paused(false);
    }
}

MAGNETAR_DECL void DoorSession::take_text(std::string_view text) {
    Json id;
    DoorRequest request;
    std::exception_ptr failure;
    try {
        Json message = Json::parse(text);
        id = id_of(message);
        request = read_request(std::move(message));
        if (requests_ >= max_requests_ && !request.id.is_null())
            throw MailboxFull(fmt::format("more than {} requests in flight", max_requests_));
    } catch (const std::exception&) {
        failure = std::current_exception();
    }
    if (failure) return answer(id, "error", to_error_json(failure));
    auto& count = request.id.is_null() ? tells_ : requests_;
    connection_.loop().start(carry_out(Place(*this, count), std::move(request)), nullptr).detach();
}

MAGNETAR_LAZY_BODY Task<> DoorSession::carry_out(Place place, DoorRequest request) {
    DoorSession& session = place.session();
    Running running;
    session.running_.push_back(running);
    Json id = std::move(request.id);
    std::exception_ptr failure;
    try {
        Json result = co_await session.perform_(std::move(request), session.role_);
        if (!id.is_null()) session.answer(id, "result", result);
    } catch (const std::exception&) {  // of the command, or of a result that is no JSON
        failure = std::current_exception();
    }
    if (failure && !id.is_null()) session.answer(id, "error", to_error_json(failure));
}

MAGNETAR_DECL void DoorSession::answer(const Json& id, const char* member, const Json& value) {
    socket_.send_text([&](Writer& out) {
        out.append(R"({"id":)");
        id.dump_to(out);
        out.append(R"(,")");
        out.append(member);
        out.append(R"(":)");
        value.dump_to(out);
        out.append("}");
    });
}

MAGNETAR_LAZY_BODY Task<> DoorSession::requests_done() {
    while (requests_ + tells_ > 0) {
        changed_.clear();
        co_await changed_.wait();
    }
}

MAGNETAR_LAZY_BODY Task<> DoorSession::end_requests() {
    for (int round = 0; requests_ + tells_ > 0; ++round) {
        running_.for_each([](Running& running) { running.job->cancel(); });
        if (round < 8) co_await yield();
        else co_await sleep(std::chrono::milliseconds(1));
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
