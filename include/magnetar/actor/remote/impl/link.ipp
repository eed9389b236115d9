#pragma once

#include <magnetar/actor/remote/link.hpp>

#include <sys/random.h>

#include <optional>

#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/door/error_json.hpp>
#include <magnetar/actor/door/request.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/connect.hpp>
#include <magnetar/wire/base64.hpp>
#include <magnetar/wire/detail/transcode.hpp>
#include <magnetar/wire/websocket/handshake.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

inline constexpr std::string_view remote_protocol = "magnetar.v1";
// From the address's resolution to the end of the handshake.
inline constexpr auto remote_connect_timeout = std::chrono::seconds(10);
inline constexpr WebSocketConnection::Limits remote_limits{largest_answer, SIZE_MAX, std::chrono::seconds(30),
                                                           std::chrono::seconds(75), std::chrono::seconds(2)};

// ---- waiting callers for an answer

// Awaited by the coroutine of ask().
class RemoteLink::Reply final : public Waiter, public RemoteAsked {
public:
    explicit Reply(RemoteLink& link) noexcept : link_(link), number_(link.asked_.put(this)) {}
    Reply(const Reply&) = delete;
    ~Reply() { link_.asked_.take(number_); }

    std::uint64_t number() const noexcept { return number_; }
    std::string_view what() const noexcept override { return "answer of a remote arbiter"; }
    bool await_ready() const noexcept { return done_; }
    bool await_suspend(Suspension leaf) noexcept { return waits_ = park(leaf); }
    Json await_resume() {
        check_cancelled();
        if (error_) std::rethrow_exception(error_);
        return std::move(result_);
    }

private:
    void take(const Json& result) noexcept override {
        result_ = result;
        finish();
    }
    void fail(std::exception_ptr error) noexcept override {
        error_ = std::move(error);
        finish();
    }
    void finish() noexcept {
        done_ = true;
        if (std::exchange(waits_, false)) wake();
    }
    void request_cancel() noexcept override {
        if (std::exchange(waits_, false)) wake_cancelled();
    }

    RemoteLink& link_;
    std::uint64_t number_;
    Json result_;
    std::exception_ptr error_;
    bool waits_ = false, done_ = false;
};

// A request sent through a proxy: its result is encoded again, as the sender decodes it by type.
class RemoteLink::CallAsked final : public RemoteAsked, public Pooled {
public:
    explicit CallAsked(RemoteCall& call) noexcept : call_(call) {}

    void take(const Json& result) noexcept override {
        Owned<CallAsked> self(this);
        try {
            RemoteScope scope(call_.target.where.node());
            call_.body.clear();
            encode_result(result);
        } catch (...) {
            call_.error = std::current_exception();
        }
        call_.finish();
    }
    void fail(std::exception_ptr error) noexcept override {
        Owned<CallAsked> self(this);
        call_.error = std::move(error);
        call_.finish();
    }

private:
    void encode_result(const Json& result) {
        const CommandEntry& command = *command_table()[call_.command];
        if (&command == &entry_of<&closed_command>) {
            encode(call_.body, StatusOnWire(result.at("code").get<int>(), result.at("signal").get<int>()));
        } else if (command.result) {
            json_to_binary(result, call_.body, *command.result);
        }
    }
    RemoteCall& call_;
};

// ---- connecting

MAGNETAR_DECL RemoteLink::RemoteLink(Stream stream, std::string url)
    : stream_(std::move(stream)),
      socket_(stream_, Masking::forbidden, remote_limits, *this),
      url_(std::move(url)) {
    node_ = add_remote(*this);
}

// A stream after the handshake, and the bytes received behind the head of the answer.
struct Upgraded {
    Stream stream;
    std::string first;
};
MAGNETAR_LAZY Task<Upgraded> upgrade_to(std::string url, std::string token) {
    WebSocketUrl parts = parse_websocket_url(url);
    Stream stream = co_await magnetar::connect(parts.address);
    std::array<std::byte, 16> nonce;
    if (::getrandom(nonce.data(), nonce.size(), 0) != static_cast<ssize_t>(nonce.size()))
        throw_system_error(errno, "getrandom");
    std::string key = base64_encode(nonce);
    std::string request = upgrade_request(parts.host, parts.target, key, remote_protocol, token);
    co_await stream.write(request);
    HeadReader head(8192);
    for (bool complete = false; !complete;) {
        ReadData data = co_await stream.read_some();
        if (!data) throw HandshakeError(0, "websocket: the connection ended before there was an answer");
        complete = head.feed(data.view());
    }
    try {
        check_upgrade_answer(head.head(), key, remote_protocol);
    } catch (const HandshakeError& error) {
        if (error.status() != 401 && error.status() != 403) throw;
        throw PermissionDenied(fmt::format("{}: {}", url, error.what()));
    }
    Upgraded upgraded{std::move(stream), std::string(head.rest())};
    co_return upgraded;
}

MAGNETAR_LAZY_BODY Task<RemoteLink::Ref> RemoteLink::connect(std::string url, std::string token) {
    EventLoop& loop = EventLoop::require("connect_arbiter");
    (void)&named_framework_commands<>;
    auto opening = upgrade_to(url, std::move(token));
    auto upgraded = co_await with_timeout(remote_connect_timeout, std::move(opening));
    Ref link(*new RemoteLink(std::move(upgraded.stream), std::move(url)));
    loop.start(serve(link, std::move(upgraded.first)), nullptr).detach();
    co_return link;
}

// ---- reading

MAGNETAR_LAZY_BODY Task<> RemoteLink::serve(Ref link, std::string first) {
    WebSocketConnection& socket = link->socket_;
    std::string reason = "the connection ended";
    bool cancelled = false;
    try {
        if (!first.empty()) socket.take(std::as_bytes(std::span(first.data(), first.size())));
        while (!socket.over()) {
            ReadData data = co_await link->stream_.read_some();
            if (!data) break;
            socket.take(data.bytes());
        }
        link->closing(reason);
        co_await socket.flushed();
    } catch (const Cancelled&) {
        cancelled = true;
        reason = "the loop ends";
    } catch (const std::exception& error) {
        reason = error.what();
    }
    link->closing(reason);
    co_await socket.end();
    link->gone_ = true;
    link->changed_.set();
    if (cancelled) throw Cancelled();
}

MAGNETAR_DECL void RemoteLink::take_text(std::string_view text) {
    Json message;
    std::optional<std::uint64_t> number;
    try {
        message = Json::parse(text);
        if (const Json* id = message.find("id"); id && id->is_integer()) number = id->get<std::uint64_t>();
    } catch (const std::exception& error) {  // no JSON, or an id out of range
        return socket_.begin_close(CloseCode::policy_violation, error.what());
    }
    const Json* error = message.find("error");
    if (!number) {  // the other side could not read a message
        Logger("remote " + url_).warning("{}", error ? error->dump() : text);
        return;
    }
    RemoteAsked* asked = asked_.take(*number);
    if (!asked) return;  // the caller has given up
    const Json* result = message.find("result");
    if (error) asked->fail(from_error_json(*error));
    else asked->take(result ? *result : Json());
}

MAGNETAR_DECL std::exception_ptr RemoteLink::lost() const {
    return std::make_exception_ptr(ActorLost(fmt::format("{}: {}", url_, reason_)));
}
MAGNETAR_DECL void RemoteLink::closing(std::string_view reason) noexcept {
    if (!std::exchange(open_, false)) return;
    reason_ = reason;
    remove_remote(node_);
    auto error = lost();
    asked_.for_each([&](RemoteAsked*& asked) { std::exchange(asked, nullptr)->fail(error); });
    while (auto* call = static_cast<RemoteCall*>(waiting_.pop())) {
        call->error = error;
        call->finish();
    }
    changed_.set();
}

// ---- writing

MAGNETAR_DECL void RemoteLink::send_request(std::string_view command, const Json& target,
                                            const Json& arguments, const Json& id,
                                            std::chrono::nanoseconds left) {
    Json message = Json::object();
    message["command"] = command;
    if (!id.is_null()) message["id"] = id;
    if (!target.is_null()) message["target"] = target;
    message["args"] = arguments;
    if (left.count() > 0) message["deadline_ms"] = static_cast<double>(left.count()) * 1e-6;
    socket_.send_text([&](Writer& out) { message.dump_to(out); });
}
MAGNETAR_DECL void RemoteLink::sent() noexcept {
    while (open_ && has_room())
        if (auto* call = static_cast<RemoteCall*>(waiting_.pop())) write(*call);
        else break;
    changed_.set();
}

MAGNETAR_DECL void RemoteLink::send(RemoteCall& call) noexcept {
    if (!open_) {
        call.error = lost();
        call.finish();
    } else if (waiting_.empty() && has_room()) {
        write(call);
    } else if (call.tell && call.never_waits) {
        call.finish();
    } else {
        waiting_.push(call);  // in the order in which they were sent
    }
}

// The first actor of a process is identified by its id, other actors by id and location.
inline Json target_of(const Address& address) {
    if (address.where.loop_index() == 0 && address.where.index() == 0) return Json(address.id.to_string());
    return to_json(ActorProxy<>(address, {}));
}

MAGNETAR_DECL void RemoteLink::write(RemoteCall& call) noexcept {
    try {
        if (call.command >= command_table().size())
            throw CommandNotFound("the command is not known by a name");
        const CommandEntry* entry = command_table()[call.command];
        RemoteScope scope(node_);
        Reader reader(call.body.bytes());
        std::string name;
        Json arguments = Json::array();
        if (entry == &entry_of<&by_name_command> || entry == &entry_of<&system_by_name_command>) {
            auto given = decode<CommandTraits<&by_name_command>::Args>(reader);
            with_items(given, [&](std::string& command, Json& list) {
                name = std::move(command);
                arguments = std::move(list);
            });
        } else if (entry == &entry_of<&closed_command>) {
            name = "closed";
        } else if (!entry->open_name.empty() && entry->arguments) {
            name = entry->open_name;
            arguments = binary_to_json(reader, *entry->arguments);
        } else {
            throw CommandNotFound(fmt::format("{}: {} is not open to other programs", url_, entry->name));
        }
        std::chrono::nanoseconds left{};
        if (call.terms.deadline != LoopClock::time_point{}) {
            left = call.terms.deadline - stream_.loop().now();
            if (left.count() <= 0)
                throw TimeoutError(fmt::format("{}: not sent: its deadline had passed", name));
        }
        Json target = target_of(call.target);
        if (call.tell) {
            send_request(name, target, arguments, Json());
            call.finish();
        } else {
            auto number = asked_.put(new CallAsked(call));
            send_request(name, target, arguments, Json(number), left);
        }
    } catch (...) {
        call.error = std::current_exception();
        call.finish();
    }
}

MAGNETAR_LAZY_BODY Task<Json> RemoteLink::ask(Ref link, std::string command, Json target, Json arguments) {
    if (!link->open_) std::rethrow_exception(link->lost());
    Reply reply(*link);
    std::chrono::nanoseconds left{};
    if (auto deadline = current_job()->request_deadline(); deadline != LoopClock::time_point{})
        left = std::max(deadline - link->stream_.loop().now(), LoopClock::duration(1));
    link->send_request(command, target, arguments, Json(reply.number()), left);
    co_return co_await reply;
}
MAGNETAR_LAZY_BODY Task<> RemoteLink::tell(Ref link, std::string command, Json target, Json arguments) {
    while (link->open_ && !link->has_room()) {
        link->changed_.clear();
        co_await link->changed_.wait();
    }
    if (!link->open_) std::rethrow_exception(link->lost());
    link->send_request(command, target, arguments, Json());
}

MAGNETAR_DECL void RemoteLink::close() noexcept {
    socket_.begin_close(CloseCode::normal, "closed by this side");
}
MAGNETAR_LAZY_BODY Task<> RemoteLink::closed(Ref link) {
    while (!link->gone_) {
        link->changed_.clear();
        co_await link->changed_.wait();
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
