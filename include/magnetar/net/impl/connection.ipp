#pragma once
#include <magnetar/net/connection.hpp>

#include <utility>

#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/virtual_sockets.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/detail/timer_heap.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/net/detail/server_core.hpp>
#include <magnetar/net/detail/stream_core.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL Connection::Connection(detail::ServerCore& server, Stream stream, std::uint64_t number)
    : Stream(std::move(stream)),
      Timer([](Timer& idle) { static_cast<Connection&>(idle).check_idle(); }),
      server_(server),
      job_(current_job()),
      number_(number) {
    server_.connections.push_back(*this);
    if (server_.closing) core().drain();
    if (server_.options.keep_alive.count() > 0) {
        core().watched = true;
        core().note_activity();
        loop().arm(*this, detail::deadline_after(core().active, server_.options.keep_alive));
    }
}

MAGNETAR_DECL Connection::~Connection() {
    unlink();
    server_.connection_ended(*this);
}

MAGNETAR_DECL bool Connection::server_closes() const noexcept { return server_.closing; }

MAGNETAR_DECL bool Connection::closes_first() const noexcept {
    return is_open() && core().is_socket() && !core().peer_has_ended() && !VirtualSockets::of(fd());
}

// Moving the timer with every byte would cost more than checking the elapsed time when it fires.
MAGNETAR_DECL void Connection::check_idle() noexcept {
    auto now = loop().now();
    if (!core().waits()) core().active = now;  // the handler does not wait for the peer
    auto end = detail::deadline_after(core().active, server_.options.keep_alive);
    if (end > now) return loop().arm(*this, end);
    ++server_.totals.idle;
    job_->cancel();
}

}  // namespace magnetar::inline MAGNETAR_MODE
