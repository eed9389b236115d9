#pragma once
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Prefetches the cache line at `address` for writing: one transfer from the core that wrote to it last,
/// where a read followed by a write needs two. A hint; safe for any address.
inline void prefetch_to_write(const void* address) noexcept {
#if defined(__x86_64__)
    // The builtin emits a read prefetch unless the compiler targets a processor with prefetchw; on other
    // processors the instruction has no effect.
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
    __builtin_prefetch(address, 1);
#endif
}

}  // namespace magnetar::inline MAGNETAR_MODE
