#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/open_commands.hpp>
#include <magnetar/actor/remote/connection.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// A connection to the arbiter of another program, on this machine or another: see connect_arbiter. Requests
/// and tells are sent to its actors as to local ones, by name or by proxy, and fail with the same errors. A
/// command that the other program does not open (see Commands) fails with CommandNotFound, one that needs
/// another token with PermissionDenied. When the connection ends, all unanswered and all later requests fail
/// with ActorLost. With a ReconnectPolicy it is restored: then messages by name or id reach the actors that
/// have them now. Proxies belong to one connection, and must be found again; nothing is sent twice.
///
/// Belongs to the loop on which it was made, and must be destroyed before that loop; its proxies may be used
/// on every loop of the process. They may be sent in messages to actors of the same remote arbiter only
/// (otherwise CodecError). Destroying it closes the connection.
class RemoteArbiter {
public:
    explicit RemoteArbiter(detail::RemoteConnection::Ref connection) noexcept
        : connection_(std::move(connection)) {}
    RemoteArbiter(RemoteArbiter&&) noexcept = default;
    RemoteArbiter& operator=(RemoteArbiter&& other) noexcept {
        if (this != &other) {
            close();
            connection_ = std::move(other.connection_);
        }
        return *this;
    }
    ~RemoteArbiter() { close(); }

    /// Sends a request to an actor there: by name, by id, by proxy, or to the `arbiter`. The command is a
    /// Command, `run<function>` of an open function, echo, a Call, or a name (then JSON in, JSON out).
    template <class Target, class C, class... A>
        requires(!detail::CommandName<C>)
    auto send(const Target& target, const C& command, A&&... arguments) const {
        if constexpr (std::is_base_of_v<ActorProxy<>, Target>) {
            return magnetar::send(target, command, std::forward<A>(arguments)...);
        } else {
            constexpr auto F = detail::function_of<C, std::decay_t<A>...>;
            if constexpr (detail::Callable<F, void, A...>)
                return typed<typename detail::CommandTraits<F>::Result>(
                    link(), ask(target, name_of<F>(command), pack<F>(std::forward<A>(arguments)...)));
        }
    }
    template <class Target, fixed_string Name, class R, class... P, class... A>
    Task<R> send(const Target& target, const Call<Name, R(P...)>& call, A&&... arguments) const {
        if constexpr (std::is_base_of_v<ActorProxy<>, Target>) {
            return magnetar::send(target, call, std::forward<A>(arguments)...);
        } else if constexpr (detail::check_types_of_call(std::type_identity<void(P...)>(),
                                                         std::type_identity<void(A...)>())) {
            return typed<R>(link(),
                            ask(target, Name.view(), json(std::decay_t<P>(std::forward<A>(arguments))...)));
        } else {
            return detail::refused<Task<R>>();
        }
    }
    template <class Target, class... A>
    Task<Json> send(const Target& target, std::string_view command, A&&... arguments) const {
        if constexpr (std::is_base_of_v<ActorProxy<>, Target>)
            return magnetar::send(target, command, std::forward<A>(arguments)...);
        else return ask(target, command, json(arguments...));
    }

    /// Sends a message that is not answered; returns when there is room for it on the connection. Errors in
    /// the remote program are not reported here.
    template <class Target, class C, class... A>
        requires(!detail::CommandName<C>)
    auto tell(const Target& target, const C& command, A&&... arguments) const {
        if constexpr (std::is_base_of_v<ActorProxy<>, Target>) {
            return magnetar::tell(target, command, std::forward<A>(arguments)...);
        } else {
            constexpr auto F = detail::function_of<C, std::decay_t<A>...>;
            if constexpr (detail::Callable<F, void, A...>)
                return detail::RemoteLink::tell(link(), std::string(name_of<F>(command)), target_json(target),
                                                pack<F>(std::forward<A>(arguments)...));
        }
    }
    template <class Target, class... A>
    Task<> tell(const Target& target, std::string_view command, A&&... arguments) const {
        return detail::RemoteLink::tell(link(), std::string(command), target_json(target),
                                        json(arguments...));
    }

    /// The actor with that name or id, for typed calls. Its State is not checked: a command that it does not
    /// have fails with CommandNotFound. Throws ActorNotFound.
    template <class State = void>
    Task<ActorProxy<State>> find(std::string name) const {
        if constexpr (detail::HasOpenCommands<State>) (void)&detail::opened<State>;
        return typed<ActorProxy<State>>(link(), ask("arbiter", "find", json(name)));
    }
    /// Its living actors that have a name or a process of their own: name, id, concurrency and manager of
    /// each.
    MAGNETAR_LAZY Task<Json> list() const;
    /// Information about the remote arbiter.
    MAGNETAR_LAZY Task<Json> info() const;

    /// Waits until the connection has ended and will not be restored.
    MAGNETAR_LAZY Task<> closed() const;
    bool is_open() const noexcept;
    /// Why it has ended; empty before.
    const std::string& reason() const noexcept;
    /// Closes it. Does nothing the second time.
    void close() noexcept;

private:
    template <auto F, class C>
    static std::string_view name_of(const C&) {
        if constexpr (std::is_same_v<typename detail::CommandOf<C>::type, detail::EchoCommand>) return "echo";
        else if (auto known = detail::listed_entry<F>.open_name; !known.empty()) return known;
        else return detail::listed_entry<F>.name;
    }
    template <auto F, class... A>
    Json pack(A&&... arguments) const {
        detail::RemoteScope scope(link()->node());
        return to_json(typename detail::CommandTraits<F>::Args(std::forward<A>(arguments)...));
    }
    template <class... A>
    Json json(const A&... arguments) const {
        detail::RemoteScope scope(link()->node());
        return detail::json_arguments(arguments...);
    }
    template <class Target>
    static Json target_json(const Target& target) {
        return Json(detail::target_text(target));
    }
    template <class Target>
    Task<Json> ask(const Target& target, std::string_view command, Json arguments) const {
        return detail::RemoteLink::ask(link(), std::string(command), target_json(target),
                                       std::move(arguments));
    }
    template <class R>
    static Task<R> typed(detail::RemoteLink::Ref link, Task<Json> asking) {
        Json answer = co_await std::move(asking);
        detail::RemoteScope scope(link->node());
        if constexpr (!std::is_void_v<R>) co_return from_json<R>(answer);
    }

    const detail::RemoteLink::Ref& link() const noexcept { return connection_->link(); }

    detail::RemoteConnection::Ref connection_;
};

/// Connects to an arbiter that listens at `url` (as its address() returns it), with its token or its
/// administrator's. Needs a loop, but no arbiter in this process. Throws std::invalid_argument for an invalid
/// URL, std::system_error when no server listens there, PermissionDenied for a wrong token, HandshakeError
/// when the server is no arbiter or has no room, TimeoutError when it does not answer within 10 s.
/// `reconnect` determines what happens when the connection ends later.
///
///     RemoteArbiter remote = co_await connect_arbiter("ws://127.0.0.1:8080", "open sesame");
///     ActorProxy<Counter> counter = co_await remote.find<Counter>("counter");
///     int total = co_await counter.send<&Counter::add>(2);
MAGNETAR_LAZY Task<RemoteArbiter> connect_arbiter(std::string url, std::string token = {},
                                                  ReconnectPolicy reconnect = {});

}  // namespace magnetar::inline MAGNETAR_MODE
