#pragma once
#include <magnetar/actor/proxy.hpp>

#include <magnetar/actor/commands.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/loop/signals.hpp>
#include <magnetar/wire/codec.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_LAZY_BODY Task<Json> ActorProxy<void>::info() const {
    auto target = address_;
    return [](detail::Address to) -> Task<Json> {
        co_return co_await detail::make_request<detail::info_command>(to);
    }(target);
}

MAGNETAR_LAZY_BODY Task<> ActorProxy<void>::stop() const {
    return [](detail::Address to) -> Task<> {
        co_await detail::make_request<detail::stop_command>(to);
    }(address_);
}

MAGNETAR_DECL Task<ExitStatus> ActorProxy<void>::closed() const { return detail::closed(address_); }

}  // namespace magnetar::inline MAGNETAR_MODE
