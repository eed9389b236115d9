#pragma once
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// With MAGNETAR_TINY set, loops get the minimum of resources: an io_uring of 4 submission and 8 completion
// entries, and two receive buffers. For tests: a lack of resources may slow a program down, but must not make
// it incorrect.
bool tiny() noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/tiny.ipp>
#endif
