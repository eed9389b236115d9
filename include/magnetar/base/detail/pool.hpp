#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include <magnetar/config.hpp>

#if defined(__SANITIZE_ADDRESS__)
#define MAGNETAR_POOL_OFF 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MAGNETAR_POOL_OFF 1
#endif
#endif
#ifdef MAGNETAR_POOL_OFF
extern "C" void __asan_poison_memory_region(const volatile void*, std::size_t);
#endif

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

// Free lists by size class. A trivial type: a thread_local with a destructor would cost a call at each
// access.
struct PoolLists {
    // Sizes that fill malloc's blocks: multiples of 16 bytes, of which malloc uses 8 for itself.
    static constexpr std::size_t classes = 256;
    static constexpr std::size_t index(std::size_t bytes) noexcept { return (bytes + 7) / 16; }
    static constexpr std::size_t size(std::size_t index) noexcept { return index * 16 + 8; }
    static constexpr std::size_t largest = 16 * (classes - 1) + 8;
    static constexpr unsigned longest = 4096;
    static constexpr std::size_t heaviest = std::size_t{4} << 20;
    struct Free {
        Free* next;
    };
    Free* free[classes];
    unsigned
        room[classes];  // blocks a list still accepts: none before the thread's first free or after it ends
    bool opened;
};
inline constinit thread_local PoolLists pool_lists{};

// Frees the blocks in the thread's lists when the thread ends.
struct PoolCleaner {
    PoolCleaner() noexcept;
    ~PoolCleaner();
};

void* pool_refill(std::size_t bytes);

// Called when the list of this size is full, or when this is the first block that the thread frees.
void pool_overflow(void* block) noexcept;

}  // namespace detail

/// Allocates `bytes` bytes, at least one, from the calling thread's free lists (by size class, up to 4,088
/// bytes; larger blocks from malloc), with malloc's alignment. Throws std::bad_alloc. Under AddressSanitizer
/// it is plain malloc, so that every misuse is detected.
[[gnu::always_inline]] inline void* pool_allocate(std::size_t bytes) {
#ifndef MAGNETAR_POOL_OFF
    using detail::PoolLists;
    if (bytes <= PoolLists::largest) {
        std::size_t index = PoolLists::index(bytes);
        auto& lists = detail::pool_lists;
        if (auto* head = lists.free[index]) {
            lists.free[index] = head->next;
            ++lists.room[index];
            return head;
        }
        return detail::pool_refill(PoolLists::size(index));
    }
#endif
    return detail::pool_refill(bytes);
}

/// Frees memory from `pool_allocate(bytes)`, on any thread: the block goes into the calling thread's list. A
/// list keeps at most 4,096 blocks of a size, and at most 4 MiB.
[[gnu::always_inline]] inline void pool_free(void* block, std::size_t bytes) noexcept {
#ifndef MAGNETAR_POOL_OFF
    using detail::PoolLists;
    if (bytes <= PoolLists::largest) {
        std::size_t index = PoolLists::index(bytes);
        auto& lists = detail::pool_lists;
        if (lists.room[index] > 0) {
            auto* head = static_cast<PoolLists::Free*>(block);
            head->next = lists.free[index];
            lists.free[index] = head;
            --lists.room[index];
            return;
        }
    }
    detail::pool_overflow(block);
#else
    (void)bytes;
    std::free(block);
#endif
}

/// Marks a part of a block as no longer used: AddressSanitizer reports any access to it until the block is
/// freed.
inline void pool_retire([[maybe_unused]] void* part, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef MAGNETAR_POOL_OFF
    __asan_poison_memory_region(part, bytes);
#endif
}

/// Base class whose `new` and `delete` use the pool, for any alignment of the type. Needs a virtual
/// destructor, or deletion by the exact type.
struct Pooled {
    [[gnu::always_inline]] static void* operator new(std::size_t bytes) { return pool_allocate(bytes); }
    [[gnu::always_inline]] static void operator delete(void* block, std::size_t bytes) noexcept {
        pool_free(block, bytes);
    }
    // For types with an alignment greater than malloc's: the block's address and size are stored before the
    // object. When a constructor throws, g++ 12 calls only a delete without a size parameter.
    static void* operator new(std::size_t bytes, std::align_val_t alignment) {
        auto align = static_cast<std::size_t>(alignment);
        void* block = pool_allocate(bytes += align);
        auto* object = static_cast<char*>(block) + (align - reinterpret_cast<std::uintptr_t>(block) % align);
        ::new (object - sizeof(Block)) Block{block, bytes};
        return object;
    }
    static void operator delete(void* object, std::align_val_t) noexcept {
        Block block = static_cast<Block*>(object)[-1];
        pool_free(block.at, block.bytes);
    }

private:
    struct Block {
        void* at;
        std::size_t bytes;
    };
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/base/detail/impl/pool.ipp>
#endif
