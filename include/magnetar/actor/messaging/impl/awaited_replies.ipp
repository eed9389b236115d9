#pragma once
#include <magnetar/actor/messaging/awaited_replies.hpp>

#include <memory>

#include <magnetar/actor/core/location.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/loop_handle.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL List<Outstanding>& outstanding() {
    static thread_local List<Outstanding> here;
    return here;
}

MAGNETAR_DECL void wait_for_loop(Outstanding& waiting, std::uint32_t loop) noexcept {
    waiting.awaited_loop = loop;
    outstanding().push_back(waiting);
}

MAGNETAR_DECL void give_up_loop(std::uint32_t loop) {
    struct News final : Runnable {
        explicit News(std::uint32_t l) noexcept : Runnable(&News::arrive), loop(l) {}
        static void arrive(Runnable& self) {
            Owned<News> news(&static_cast<News&>(self));
            outstanding().for_each([&](Outstanding& waiting) {
                if (waiting.awaited_loop != news->loop) return;
                waiting.unlink();
                waiting.lost(waiting);
            });
        }
        std::uint32_t loop;
    };
    for (std::uint32_t i = 0; LoopHandle* other = loop_handle_at(i); ++i) {
        auto news = make_owned<News>(loop);
        if (i == this_loop) News::arrive(*news.release());
        else if (i != loop && other->post(*news)) news.release();
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
