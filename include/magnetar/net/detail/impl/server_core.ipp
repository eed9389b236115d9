#pragma once
#include <magnetar/net/detail/server_core.hpp>

#include <fmt/core.h>
#include <magnetar/net/connection.hpp>

#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <typeinfo>
#include <utility>

#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/address.hpp>
#include <magnetar/net/detail/linger.hpp>
#include <magnetar/net/detail/stream_core.hpp>
#include <magnetar/net/proxy_protocol.hpp>
#include <magnetar/net/stream.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL ServerCore::Ref& ServerCore::Ref::operator=(Ref other) noexcept {
    std::swap(core_, other.core_);
    return *this;
}

MAGNETAR_DECL ServerCore::ServerCore(const TcpServerOptions& o) : options(o) {
    if (o.backlog < 0)
        throw std::invalid_argument(fmt::format("a backlog of {}: must not be negative", o.backlog));
    if (o.keep_alive < std::chrono::milliseconds::zero())
        throw std::invalid_argument(
            fmt::format("keep_alive of {} ms: must not be negative", o.keep_alive.count()));
}

namespace servers {

// Such as "a connection of server 127.0.0.1:8080". Never freed: the stall watch reads it on another thread, and
// may do so after the server has ended.
struct Title {
    std::string text;
    std::string_view view;
    Title* next;
};
inline const std::string_view& title_of(const std::string& address) {
    static std::mutex mutex;
    static Title* first = nullptr;
    std::string text = "a connection of server " + address;
    std::lock_guard lock(mutex);
    for (Title* title = first; title; title = title->next)
        if (title->text == text) return title->view;
    first = new Title{std::move(text), {}, first};
    first->view = first->text;
    return first->view;
}

}  // namespace servers

MAGNETAR_LAZY_BODY void ServerCore::begin(Listener l) {
    if (listener || closing) throw std::logic_error("start_serving of a server that serves already, or did");
    listener.emplace(std::move(l));
    title_ = &servers::title_of(listener->address().to_string());
    if (options.max_connections > 0) listener->accept_singly();  // a full server accepts none ahead
    accepting_.emplace(listener->loop().start(accept_all(Ref(this))));
}

MAGNETAR_DECL EventLoop& ServerCore::loop() const {
    if (!listener)
        throw std::logic_error(
            "a server has a loop and an address once it serves: await start_serving first");
    return listener->loop();
}

MAGNETAR_DECL void ServerCore::abandon() noexcept {
    closing = abandoned_ = true;
    if (accepting_) accepting_->cancel();
    if (listener) listener->close();
    cancel_connections();
    accepting_.reset();
}

MAGNETAR_LAZY_BODY Task<> ServerCore::close(Ref core, LoopClock::duration drain) {
    core->closing = true;
    if (core->listener) core->listener->finish();
    core->connections.for_each([](Connection& connection) { connection.core().drain(); });
    while (!co_await ended(*core, drain)) {
        // A cancelled handler may wait again while it unwinds.
        core->cancel_connections();
        drain = std::chrono::milliseconds(100);
    }
}

MAGNETAR_DECL ServerInfo ServerCore::info() {
    ServerInfo sum = totals;
    if (listener) sum.address = listener->address().to_string();
    connections.for_each([&](Connection& connection) {
        ++sum.connections;
        sum.bytes_in += connection.bytes_in();
        sum.bytes_out += connection.bytes_out();
    });
    return sum;
}

MAGNETAR_DECL void ServerCore::connection_ended(const Connection& connection) noexcept {
    totals.bytes_in += connection.bytes_in();
    totals.bytes_out += connection.bytes_out();
    listener->try_again();
    changed.set();
}

MAGNETAR_DECL void ServerCore::cancel_connections() noexcept {
    connections.for_each([](Connection& connection) { connection.job_->cancel(); });
}

MAGNETAR_LAZY_BODY Task<bool> ServerCore::ended(ServerCore& core, LoopClock::duration limit) {
    auto deadline = detail::deadline_after(EventLoop::current()->now(), limit);
    while (core.unfinished()) {
        auto left = deadline - EventLoop::current()->now();
        if (left <= LoopClock::duration::zero()) co_return false;
        core.changed.clear();
        co_await wait_for(core.changed, left);
    }
    co_return true;
}

MAGNETAR_LAZY_BODY Task<> ServerCore::accept_all(Ref core) {
    Logger log("server " + core->listener->address().to_string());
    for (;;) {
        try {
            Stream stream = co_await core->listener->accept();
            ++core->totals.accepted;
            core->loop().start(serve(Place(core), std::move(stream))).detach();
        } catch (const std::exception& error) {
            if (!core->closing) log.error("accepts no more: {}", error.what());
            core->listener->close();
            core->changed.set();
            co_return;
        }
        while (core->full()) {
            core->changed.clear();
            co_await core->changed.wait();
        }
    }
}

MAGNETAR_DECL ServerCore::Place::~Place() {
    if (!core) return;
    --core->serving_;
    core->changed.set();
}

MAGNETAR_LAZY_BODY Task<> ServerCore::serve(Place place, Stream stream) {
    ServerCore& core = *place.core;
    if (core.abandoned_) co_return;
    current_job()->set_command(*core.title_);
    Connection connection(core, std::move(stream), place.number);
    try {
        if (!core.options.proxies.empty()) {
            bool met = co_await meet(core, connection);
            if (!met) co_return;
        }
        co_await core.handle(connection);
        if (connection.closes_first()) co_await linger(connection);
    } catch (const std::exception& error) {
        core.handler_failed(connection, error);
    }
}

MAGNETAR_LAZY_BODY Task<bool> ServerCore::meet(ServerCore& core, Connection& connection) {
    SocketAddress peer = connection.peer();
    bool trusted = false;
    for (auto& range : core.options.proxies) trusted = trusted || range.contains(peer);
    if (!trusted) co_return true;
    Task<std::optional<ProxyHeader>> reading = read_proxy_header(connection);
    auto header = co_await with_timeout(std::chrono::seconds(5), std::move(reading));
    if (header && header->client) connection.core().peer = header->client;
    co_return header.has_value();
}

MAGNETAR_DECL void ServerCore::handler_failed(const Connection& connection, const std::exception& error) {
    if (is_lost(error)) {
        ++totals.lost;
        return;
    }
    ++totals.failed;
    SocketAddress peer = connection.peer();
    bool unnamed = peer.is_unix() && peer.path().empty();
    Logger("server " + listener->address().to_string())
        .warning("connection {} from {}: {}: {}", connection.number(),
                 unnamed ? "a unix socket" : peer.to_string(), demangled(typeid(error).name()), error.what());
}

MAGNETAR_DECL bool ServerCore::is_lost(const std::exception& error) noexcept {
    if (dynamic_cast<const EndOfStream*>(&error)) return true;
    auto* system = dynamic_cast<const std::system_error*>(&error);
    if (!system || system->code().category() != std::generic_category()) return false;
    for (int known : {ECONNRESET, EPIPE, ETIMEDOUT, ECONNABORTED, EHOSTUNREACH, ENETUNREACH, ENETDOWN})
        if (system->code().value() == known) return true;
    return false;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
