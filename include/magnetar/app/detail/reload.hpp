#pragma once
#include <string>
#include <vector>

#include <magnetar/actor/actor.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

class Service;

// Reads the settings anew, and replaces the workers; says what it has done. What is wrong is found before
// anything has changed; when a new worker does not start, what was stays. Throws SettingError, and
// std::runtime_error with why the workers that ran go on. On the arbiter's loop.
Task<std::vector<std::string>> reload_program(Service& program, Actor<>& arbiter);
// The same of the program that runs, for those who wait for nothing: what goes wrong is logged, and during a
// reload it is begun when that one ends.
void reload_in_background(Actor<>& arbiter);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/reload.ipp>
#endif
