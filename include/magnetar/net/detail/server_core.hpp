#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>

#include <magnetar/config.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/connection.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// How a TcpServer serves. Negative numbers are refused.
struct TcpServerOptions {
    int backlog = 4096;               ///< see ListenOptions
    bool reuse_port = false;          ///< see ListenOptions
    std::size_t max_connections = 0;  ///< so many at once; more wait in the backlog. 0: no limit
    /// A connection that waits so long for its peer, to send or to take what is sent, is closed; zero: never.
    std::chrono::milliseconds keep_alive{0};
};

/// What a server has done, for `info`.
struct ServerInfo {
    std::string address;
    std::uint64_t connections = 0;  ///< now
    std::uint64_t accepted = 0;     ///< since it began
    std::uint64_t lost = 0;         ///< ended by the peer or the network in mid-conversation
    std::uint64_t failed = 0;       ///< ended by an exception of the handler
    std::uint64_t idle = 0;         ///< ended by keep_alive
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
};

namespace detail {

// What a TcpServer is, at an address that stays: kept by the TcpServer and by each connection's job.
class ServerCore {
public:
    // Keeps a core alive.
    class Ref {
    public:
        explicit Ref(ServerCore* core) noexcept : core_(core) {
            if (core_) ++core_->users_;
        }
        Ref(Ref&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
        Ref(const Ref& other) noexcept : Ref(other.core_) {}
        Ref& operator=(Ref other) noexcept {
            std::swap(core_, other.core_);
            return *this;
        }
        ~Ref() {
            if (core_ && --core_->users_ == 0) delete core_;
        }
        ServerCore* operator->() const noexcept { return core_; }
        ServerCore& operator*() const noexcept { return *core_; }
        explicit operator bool() const noexcept { return core_ != nullptr; }

    private:
        ServerCore* core_;
    };

    explicit ServerCore(const TcpServerOptions& o) : options(o) {
        if (o.backlog < 0)
            throw std::invalid_argument(fmt::format("a backlog of {}: must not be negative", o.backlog));
        if (o.keep_alive < std::chrono::milliseconds::zero())
            throw std::invalid_argument(
                fmt::format("keep_alive of {} ms: must not be negative", o.keep_alive.count()));
    }
    virtual ~ServerCore() = default;

    // The coroutines are templates because g++ compiles others wherever it sees them, used or not.

    template <class = void>
    void begin(Listener l) {
        if (listener || closing)
            throw std::logic_error("start_serving of a server that serves already, or did");
        listener.emplace(std::move(l));
        accepting_.emplace(listener->loop().start(accept_all(Ref(this))));
    }
    EventLoop& loop() const {
        if (!listener)
            throw std::logic_error(
                "a server has a loop and an address once it serves: await start_serving first");
        return listener->loop();
    }
    // Ends what still lives, and lets go of it.
    void abandon() noexcept {
        closing = abandoned_ = true;
        if (accepting_) accepting_->cancel();
        if (listener) listener->close();
        cancel_connections();
        accepting_.reset();
    }
    template <class = void>
    static Task<> close(Ref core, LoopClock::duration drain) {
        core->closing = true;
        if (core->listener) core->listener->finish();
        // Who has connected and not yet said anything is about to: it is heard for a moment.
        core->drain_connections([](Connection& connection) { return connection.bytes_in() > 0; });
        auto moment = std::min<LoopClock::duration>(drain, std::chrono::milliseconds(250));
        if (co_await ended(*core, moment)) co_return;
        core->drain_connections([](Connection&) { return true; });
        while (!co_await ended(*core, drain - moment)) {
            // A handler may have more to wait for while it unwinds.
            core->cancel_connections();
            drain = moment + std::chrono::milliseconds(100);
        }
    }
    ServerInfo info() {
        ServerInfo sum = totals;
        if (listener) sum.address = listener->address().to_string();
        connections.for_each([&](Connection& connection) {
            ++sum.connections;
            sum.bytes_in += connection.bytes_in();
            sum.bytes_out += connection.bytes_out();
        });
        return sum;
    }
    void connection_ended(const Connection& connection) noexcept {
        totals.bytes_in += connection.bytes_in();
        totals.bytes_out += connection.bytes_out();
        listener->try_again();
        changed.set();
    }

    TcpServerOptions options;
    std::optional<Listener> listener;
    List<Connection> connections;
    ServerInfo totals;
    Event changed;  // a connection has ended
    bool closing = false;

protected:
    virtual Task<> handle(Connection& connection) = 0;

private:
    // Those whose job has not run yet are in no list.
    bool unfinished() const noexcept { return serving_ > 0 || (accepting_ && !accepting_->done()); }
    bool full() const noexcept { return options.max_connections > 0 && serving_ >= options.max_connections; }
    void cancel_connections() noexcept {
        connections.for_each([](Connection& connection) { connection.job_->cancel(); });
    }
    template <class Which>
    void drain_connections(Which which) noexcept {
        connections.for_each([&](Connection& connection) {
            if (which(connection)) connection.core().drain();
        });
    }
    // Whether all has ended, within that time.
    template <class = void>
    static Task<bool> ended(ServerCore& core, LoopClock::duration limit) {
        auto deadline = detail::deadline_after(EventLoop::current()->now(), limit);
        while (core.unfinished()) {
            auto left = deadline - EventLoop::current()->now();
            if (left <= LoopClock::duration::zero()) co_return false;
            core.changed.clear();
            co_await wait_for(core.changed, left);
        }
        co_return true;
    }
    // What was accepted is served, also when the server closes meanwhile.
    template <class = void>
    static Task<> accept_all(Ref core) {
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
    // One of the server's connections, from its acceptance to the end of its job.
    struct Place {
        explicit Place(const Ref& c) noexcept : core(c), number(c->totals.accepted) { ++core->serving_; }
        Place(Place&& other) noexcept : core(std::move(other.core)), number(other.number) {}
        ~Place() {
            if (!core) return;
            --core->serving_;
            core->changed.set();
        }
        Ref core;
        std::uint64_t number;
    };
    template <class = void>
    static Task<> serve(Place place, Stream stream) {
        ServerCore& core = *place.core;
        if (core.abandoned_) co_return;
        Connection connection(core, std::move(stream), place.number);
        try {
            co_await core.handle(connection);
        } catch (const std::exception& error) {
            core.handler_failed(connection, error);
        }
    }
    void handler_failed(const Connection& connection, const std::exception& error) {
        if (is_lost(error)) {
            ++totals.lost;
            return;
        }
        ++totals.failed;
        Logger("server " + listener->address().to_string())
            .warning("connection {} from {}: {}: {}", connection.number(), connection.peer().to_string(),
                     demangled(typeid(error).name()), error.what());
    }
    // The peer went away, which is no fault of the handler.
    static bool is_lost(const std::exception& error) noexcept {
        if (dynamic_cast<const EndOfStream*>(&error)) return true;
        auto* system = dynamic_cast<const std::system_error*>(&error);
        if (!system || system->code().category() != std::generic_category()) return false;
        for (int known : {ECONNRESET, EPIPE, ETIMEDOUT, ECONNABORTED, EHOSTUNREACH, ENETUNREACH, ENETDOWN})
            if (system->code().value() == known) return true;
        return false;
    }

    std::optional<Job<>> accepting_;
    std::size_t users_ = 0, serving_ = 0;
    bool abandoned_ = false;
};

}  // namespace detail

inline Connection::Connection(detail::ServerCore& server, Stream stream, std::uint64_t number)
    : Stream(std::move(stream)),
      Timer([](Timer& idle) { static_cast<Connection&>(idle).check_idle(); }),
      server_(server),
      job_(current_job()),
      number_(number) {
    server_.connections.push_back(*this);
    if (server_.options.keep_alive.count() > 0) {
        core().watched = true;
        core().note_activity();
        loop().arm(*this, detail::deadline_after(core().active, server_.options.keep_alive));
    }
}
inline Connection::~Connection() {
    unlink();
    server_.connection_ended(*this);
}
inline bool Connection::server_closes() const noexcept { return server_.closing; }

// Moving the timer with every byte would cost more than looking, when it fires, how long it has been.
inline void Connection::check_idle() noexcept {
    auto now = loop().now();
    if (!core().waits()) core().active = now;  // busy with something else
    auto end = detail::deadline_after(core().active, server_.options.keep_alive);
    if (end > now) return loop().arm(*this, end);
    ++server_.totals.idle;
    job_->cancel();
}

}  // namespace magnetar::inline MAGNETAR_MODE
