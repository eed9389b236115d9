#pragma once
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Has the core fetch the cache line at `address` to write to it: one trip to the core that wrote to it last,
/// where reading first and writing then takes two. A hint, and harmless whatever the address.
inline void prefetch_to_write(const void* address) noexcept {
#if defined(__x86_64__)
    // The builtin makes a plain prefetch of it unless the compiler is told of a processor that has this one;
    // on the others it does nothing.
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
    __builtin_prefetch(address, 1);
#endif
}

}  // namespace magnetar::inline MAGNETAR_MODE
