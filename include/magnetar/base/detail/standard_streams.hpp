#pragma once
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Opens /dev/null for those of the descriptors 0 to 2 that are closed: what is opened next would get their
// numbers, and what is printed would go there. Throws std::system_error.
void open_missing_standard_streams();

// Writes out what stdio and iostreams have in their buffers, for a process that ends with _exit(2).
void flush_standard_streams() noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/base/detail/impl/standard_streams.ipp>
#endif
