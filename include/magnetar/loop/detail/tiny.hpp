#pragma once
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// With MAGNETAR_TINY set, loops have the least that they can work with: an io_uring of 4 submission and 8
// completion entries, and two buffers to receive into. For tests: a lack of resources must only make a
// program slow, and never wrong.
bool tiny() noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/tiny.ipp>
#endif
