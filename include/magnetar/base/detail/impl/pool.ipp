#pragma once
#include <magnetar/base/detail/pool.hpp>

#include <utility>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL PoolCleaner::PoolCleaner() noexcept {
    for (std::size_t i = 0; i < PoolLists::classes; ++i)
        pool_lists.room[i] = static_cast<unsigned>(
            std::min<std::size_t>(PoolLists::longest, PoolLists::heaviest / PoolLists::size(i)));
}

MAGNETAR_DECL PoolCleaner::~PoolCleaner() {
    for (auto& room : pool_lists.room) room = 0;
    for (auto& head : pool_lists.free)
        while (head) std::free(std::exchange(head, head->next));
}

[[gnu::noinline]] MAGNETAR_DECL void* pool_refill(std::size_t bytes) {
    if (void* block = std::malloc(bytes)) return block;
    throw std::bad_alloc();
}

[[gnu::noinline]] MAGNETAR_DECL void pool_overflow(void* block) noexcept {
    if (!std::exchange(pool_lists.opened, true)) {
        thread_local PoolCleaner cleaner;
    }
    std::free(block);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
