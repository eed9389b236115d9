#pragma once
#include <magnetar/actor/proxy.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Information about the message that a command answers: declare `Request&` as its first parameter. Valid as
/// long as the command runs, including while it waits.
class Request {
public:
    Request(Actor<>& actor, const detail::Address& caller) noexcept : actor_(&actor), caller_(&caller) {}
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

    /// The actor that executes the command.
    Actor<>& actor() const noexcept { return *actor_; }
    /// The sender; a proxy without an actor (`!request.caller()`) if it was no actor.
    ActorProxy<> caller() const { return ActorProxy<>(*caller_, {}); }

private:
    Actor<>* actor_;
    const detail::Address* caller_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
