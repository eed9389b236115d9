#pragma once

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// For the first process of a system or container, which gets the orphans of all others as children: collects
// those that have ended, looking every `pause`. Whose child was born here and whose was not the kernel does
// not tell, so that a child of the program's own is left for `grace` to the code that forked it. Workers are
// never taken. Never returns.
MAGNETAR_LAZY Task<> collect_orphans(std::chrono::milliseconds pause, std::chrono::milliseconds grace);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/orphans.ipp>
#endif
