#pragma once
#include <magnetar/actor/detail/outbox.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// What waits for an answer from another thread of this process, in a list of the thread that waits. A thread
// that hangs and is given up will never answer: then those who wait for it are told.
struct Outstanding : ListNode {
    explicit Outstanding(void (*f)(Outstanding&)) noexcept : lost(f) {}
    void (*lost)(Outstanding&);
    std::uint32_t awaited_door = no_door;  // of the thread that is to answer
};

inline List<Outstanding>& outstanding() {
    static thread_local List<Outstanding> here;
    return here;
}
inline void wait_for_door(Outstanding& waiting, std::uint32_t door) noexcept {
    waiting.awaited_door = door;
    outstanding().push_back(waiting);
}

// Tells all threads of this process that the loop of this door will never answer.
inline void give_up_door(std::uint32_t door) {
    struct News final : Runnable {
        explicit News(std::uint32_t d) noexcept : Runnable(&News::arrive), door(d) {}
        static void arrive(Runnable& self) {
            std::unique_ptr<News> news(&static_cast<News&>(self));
            outstanding().for_each([&](Outstanding& waiting) {
                if (waiting.awaited_door != news->door) return;
                waiting.unlink();
                waiting.lost(waiting);
            });
        }
        std::uint32_t door;
    };
    for (std::uint32_t i = 0; Door* other = door_at(i); ++i) {
        auto news = std::make_unique<News>(door);
        if (i == this_door) News::arrive(*news.release());
        else if (i != door && other->post(*news)) news.release();
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
