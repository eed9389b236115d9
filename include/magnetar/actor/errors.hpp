#pragma once
#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <string_view>

#include <magnetar/base/errors.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// A command ended with a std::exception in another actor; carries its type, its text and the actor. The
/// callee lives on.
class RemoteError : public std::runtime_error {
public:
    RemoteError(std::string type, const std::string& what, std::string actor)
        : std::runtime_error(what), type_(std::move(type)), actor_(std::move(actor)) {}
    /// The exception's type as written in source code: `std::invalid_argument`.
    const std::string& type() const noexcept { return type_; }
    /// Name or id of the actor in which it was thrown.
    const std::string& actor() const noexcept { return actor_; }

private:
    std::string type_, actor_;
};

/// The target has no such command.
class CommandNotFound : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// No living actor has this id or name.
class ActorNotFound : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

namespace detail {
// Thrown inside the callee; the caller receives CommandNotFound.
struct NoSuchCommand {
    std::string what;
};
}  // namespace detail

/// The target was alive and ended before it answered.
class ActorLost : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The target is stopping and accepts nothing new.
class ActorStopping : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The target's mailbox is full, and its overflow policy is to refuse.
class MailboxFull : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A request to a serial actor that waits, directly or through others, for the caller: it could never be
/// answered. The text names the chain of commands that wait for one another. Thrown at once.
class DeadlockError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// An actor could not be spawned; nothing of it is left behind.
class SpawnError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A client of an arbiter may not do this: its token is wrong, or the request needs the administrator's. Does
/// not reveal whether the requested actor or command exists.
class PermissionDenied : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Throw it inside an actor to end that actor with an exit code. Like everything that does not derive from
/// std::exception, it is never swallowed.
struct ActorExit {
    int code = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE
