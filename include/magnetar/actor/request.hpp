#pragma once
#include <magnetar/actor/proxy.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// What a command may learn of the message that it answers: take `Request&` as the first parameter. It lives
/// as long as the command runs, also while that waits.
class Request {
public:
    Request(Actor<>& actor, const detail::Address& caller) noexcept : actor_(&actor), caller_(&caller) {}
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

    /// The actor that carries out the command.
    Actor<>& actor() const noexcept { return *actor_; }
    /// Who asked; a proxy without an actor (`!request.caller()`) when it was no actor.
    ActorProxy<> caller() const { return ActorProxy<>(*caller_, {}); }

private:
    Actor<>* actor_;
    const detail::Address* caller_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
