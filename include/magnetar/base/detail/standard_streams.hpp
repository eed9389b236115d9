#pragma once
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Opens /dev/null for each closed descriptor of 0 to 2. Otherwise the next file opened would get that number
// and receive what is printed. Throws std::system_error.
void open_missing_standard_streams();

// Flushes the buffers of stdio and iostreams, for a process that ends with _exit(2).
void flush_standard_streams() noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/base/detail/impl/standard_streams.ipp>
#endif
