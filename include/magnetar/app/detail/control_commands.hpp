#pragma once
#include <string>

#include <magnetar/actor/actor.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// What the program that runs answers its operators: info, stop, stop_worker, reload, scale, log_level,
// config. Throws
// std::invalid_argument for what it does not know, and what carrying it out throws.
Task<Json> answer_operator(Actor<>& arbiter, std::string command, Json args);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/control_commands.ipp>
#endif
