#pragma once
#include <string>
#include <vector>

#include <magnetar/actor/actor.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

class Service;

// Reads the settings again and replaces the workers; returns what it has done, in lines. Errors in the
// settings are found before anything has changed; when a new worker does not start, the old settings and
// workers stay. Throws SettingError, and std::runtime_error with the reason why the old workers continue. On
// the arbiter's loop.
Task<std::vector<std::string>> reload_program(Service& program, Actor<>& arbiter);
// The same for the running program, in the background: errors are logged. During a reload, another one begins
// when that one ends.
void reload_in_background(Actor<>& arbiter);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/reload.ipp>
#endif
