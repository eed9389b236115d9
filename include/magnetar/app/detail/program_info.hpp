#pragma once
#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/proxy.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/wire/json.hpp>

// The info of a program.
namespace magnetar::inline MAGNETAR_MODE::detail {

class Service;

// The info of an actor; its name, id and `error` when it does not answer within a second.
Task<Json> info_of(ActorProxy<> actor);
// The program, its arbiter, and each application with its monitor and its workers, as `--info --json` prints
// it. On the arbiter's loop.
Task<Json> program_info(Service& program, Actor<>& arbiter);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/program_info.ipp>
#endif
