#pragma once
#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define MAGNETAR_POOL_OFF 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MAGNETAR_POOL_OFF 1
#endif
#endif

namespace magnetar {

namespace detail {

// Free lists by size class. A trivial type: access to a thread_local with a destructor would cost a call each time.
struct PoolLists {
    static constexpr std::size_t granule = 64, classes = 32, largest = granule * classes;
    struct Free {
        Free* next;
    };
    Free* free[classes];
    unsigned count[classes];
};
inline constinit thread_local PoolLists pool_lists{};

// Gives the thread's lists back when the thread ends; made on the way through malloc, off the fast path.
struct PoolCleaner {
    bool active = false;
    ~PoolCleaner() {
        for (auto& head : pool_lists.free)
            while (head) {
                auto* next = head->next;
                std::free(head);
                head = next;
            }
        for (auto& count : pool_lists.count) count = 0;
    }
};
inline thread_local PoolCleaner pool_cleaner;

[[gnu::noinline]] inline void* pool_refill(std::size_t bytes) {
    pool_cleaner.active = true;
    if (void* block = std::malloc(bytes)) return block;
    throw std::bad_alloc();
}

}  // namespace detail

/// Memory of `bytes` bytes from the calling thread's free lists (by size class, at most 2 KiB; larger from malloc), aligned
/// as malloc aligns. Throws std::bad_alloc. Under AddressSanitizer it is plain malloc, so that every misuse is seen.
inline void* pool_allocate(std::size_t bytes) {
#ifndef MAGNETAR_POOL_OFF
    using detail::PoolLists;
    if (bytes <= PoolLists::largest) {
        std::size_t index = (bytes - 1) / PoolLists::granule;
        auto& lists = detail::pool_lists;
        if (auto* head = lists.free[index]) {
            lists.free[index] = head->next;
            --lists.count[index];
            return head;
        }
        return detail::pool_refill((index + 1) * PoolLists::granule);
    }
#endif
    return detail::pool_refill(bytes);
}

/// Gives back what `pool_allocate(bytes)` gave, on whichever thread. A list keeps at most 4,096 blocks of a size.
inline void pool_free(void* block, std::size_t bytes) noexcept {
#ifndef MAGNETAR_POOL_OFF
    using detail::PoolLists;
    if (bytes <= PoolLists::largest) {
        std::size_t index = (bytes - 1) / PoolLists::granule;
        auto& lists = detail::pool_lists;
        if (lists.count[index] < 4096) {
            auto* head = static_cast<PoolLists::Free*>(block);
            head->next = lists.free[index];
            lists.free[index] = head;
            ++lists.count[index];
            return;
        }
    }
#endif
    (void)bytes;
    std::free(block);
}

/// Derive from it to have `new` and `delete` use the pool. Needs a virtual destructor, or deletion by the exact type.
struct Pooled {
    static void* operator new(std::size_t bytes) { return pool_allocate(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept { pool_free(block, bytes); }
};

}  // namespace magnetar
