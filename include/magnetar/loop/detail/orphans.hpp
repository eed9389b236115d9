#pragma once

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// For the first process of a system or container, which inherits all orphans: collects those that have ended,
// every `pause`. The kernel does not distinguish orphans from children that this program forked, so an ended
// child is first left for `grace` to the code that may have forked it. Workers are never collected. Never
// returns.
MAGNETAR_LAZY Task<> collect_orphans(std::chrono::milliseconds pause, std::chrono::milliseconds grace);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/orphans.ipp>
#endif
