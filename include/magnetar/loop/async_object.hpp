#pragma once
#include <concepts>

#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// An object that belongs to an event loop and works through jobs on it: an actor, a server, a stream, a
/// socket, a file. Use its members only on the thread of that loop. It needs no actor:
/// `loop.run(object.operation())` uses it synchronously.
template <class T>
concept AsyncObject = requires(const T& object) {
    { object.loop() } -> std::same_as<EventLoop&>;
};

}  // namespace magnetar::inline MAGNETAR_MODE
