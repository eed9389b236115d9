#include <doctest/doctest.h>
#include <magnetar/base/detail/pool.hpp>

#include <malloc.h>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using namespace magnetar;

TEST_CASE("pool: blocks of every size are writable, aligned and distinct") {
    std::vector<std::pair<unsigned char*, std::size_t>> blocks;
    std::set<void*> addresses;
    for (std::size_t bytes : {1, 8, 9, 24, 25, 64, 128, 2040, 2041, 4088, 4089, 100'000})
        for (int i = 0; i < 3; ++i) {
            auto* block = static_cast<unsigned char*>(pool_allocate(bytes));
            CHECK(reinterpret_cast<std::uintptr_t>(block) % alignof(std::max_align_t) == 0);
            std::memset(block, int(blocks.size()), bytes);
            blocks.emplace_back(block, bytes);
            addresses.insert(block);
        }
    CHECK(addresses.size() == blocks.size());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        auto [block, bytes] = blocks[i];
        CHECK(block[0] == i);
        CHECK(block[bytes - 1] == i);
        pool_free(block, bytes);
    }
}

#ifndef MAGNETAR_POOL_OFF
TEST_CASE("pool: a freed block is the next of its size class") {
    pool_free(pool_allocate(100), 100);  // the thread's first free opens its lists
    void* block = pool_allocate(100);
    pool_free(block, 100);
    CHECK(pool_allocate(104) == block);
    pool_free(block, 104);
    void* other = pool_allocate(105);
    CHECK(other != block);
    pool_free(other, 105);
}

TEST_CASE("pool: a list keeps so many blocks and no more") {
    std::thread([] {
        constexpr int many = 3 * detail::PoolLists::longest;
        std::vector<void*> blocks;
        for (int i = 0; i < many; ++i) blocks.push_back(pool_allocate(64));
        for (void* block : blocks) pool_free(block, 64);
        int kept = 0;
        for (auto* block = detail::pool_lists.free[detail::PoolLists::index(64)]; block; block = block->next)
            ++kept;
        CHECK(kept == int(detail::PoolLists::longest));
        CHECK(detail::pool_lists.room[detail::PoolLists::index(64)] == 0);
        pool_free(pool_allocate(64), 64);
        CHECK(detail::pool_lists.room[detail::PoolLists::index(64)] == 0);
    }).join();
}

namespace {

std::size_t in_use() {
    auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

}  // namespace

TEST_CASE("pool: a list of large blocks keeps 4 MiB and no more") {
    std::thread([] {
        std::vector<void*> blocks;
        for (int i = 0; i < 2000; ++i) blocks.push_back(pool_allocate(4088));
        for (void* block : blocks) pool_free(block, 4088);
        int kept = 0;
        for (auto* block = detail::pool_lists.free[detail::PoolLists::index(4088)]; block;
             block = block->next)
            ++kept;
        CHECK(kept == (4 << 20) / 4088);
    }).join();
}

TEST_CASE("pool: a thread that only frees what others made leaves nothing behind when it ends") {
    auto round = [] {
        std::vector<void*> blocks;
        for (int i = 0; i < 1000; ++i) blocks.push_back(pool_allocate(1024));
        std::thread([&] {
            for (void* block : blocks) pool_free(block, 1024);
        }).join();
    };
    round();
    auto before = in_use();
    for (int i = 0; i < 20; ++i) round();
    CHECK(in_use() < before + 1'000'000);  // 20 MB if the thread's lists stayed
}

TEST_CASE("pool: what a thread frees after its lists are gone goes to malloc") {
    struct Late {
        void* block = nullptr;
        ~Late() {
            if (block) pool_free(block, 64);
        }
    };
    std::thread([] {
        // Made before the thread's first free, and so destroyed after the thread's lists.
        thread_local Late late;
        late.block = pool_allocate(64);
        pool_free(pool_allocate(64), 64);
        pool_free(pool_allocate(64), 64);
        CHECK(detail::pool_lists.free[detail::PoolLists::index(64)] != nullptr);
    }).join();
    // A leak of the block, or a free list that nobody gives back, would be seen by the leak checker.
}
#endif

TEST_CASE("pool: classes that derive from Pooled use it, also through a virtual destructor") {
    struct Base : Pooled {
        virtual ~Base() = default;
    };
    struct Derived final : Base {
        char room[300];
    };
    auto first = std::make_unique<Derived>();
    [[maybe_unused]] void* address = first.get();
    std::unique_ptr<Base> base = std::move(first);
    base.reset();
#ifndef MAGNETAR_POOL_OFF
    base = std::make_unique<Derived>();  // the first may have opened the lists
    address = base.get();
    base.reset();
    base = std::make_unique<Derived>();
    CHECK(static_cast<void*>(base.get()) == address);
#endif
}

TEST_CASE_TEMPLATE("pool: a type that is aligned beyond malloc is aligned so, and gives its block back", Room,
                   char[1], char[64], char[5000]) {
    struct alignas(128) Aligned final : Pooled {
        Room room;
    };
    std::vector<std::unique_ptr<Aligned>> all;
    for (int i = 0; i < 100; ++i) {
        auto& object = *all.emplace_back(std::make_unique<Aligned>());
        CHECK(reinterpret_cast<std::uintptr_t>(&object) % 128 == 0);
        std::memset(object.room, i, sizeof object.room);
    }
    for (int i = 0; i < 100; ++i) CHECK(all[static_cast<std::size_t>(i)]->room[0] == static_cast<char>(i));
}

TEST_CASE("pool: a constructor that throws gives the block back, however its type is aligned") {
    struct alignas(64) Refused final : Pooled {
        explicit Refused(bool refused) {
            if (refused) throw std::domain_error("refused");
        }
        char room[300];
    };
    auto first = std::make_unique<Refused>(false);
    for (int i = 0; i < 10; ++i) CHECK_THROWS_AS((void)new Refused(true), std::domain_error);
    // The leak checker sees what was not given back.
}
