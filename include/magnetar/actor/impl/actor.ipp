#pragma once
#include <magnetar/actor/actor.hpp>

#include <climits>

#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/address.hpp>
#include <magnetar/actor/core/shared_name.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/coro/waiter.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Extras::Extras(const ActorSettings& s) : settings(s) {}

MAGNETAR_DECL Extras::~Extras() = default;

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL const std::string& Actor<void>::name() const noexcept {
    static const std::string none;
    return extras_ ? extras_->name.text() : none;
}

MAGNETAR_DECL ActorProxy<> Actor<void>::proxy() const {
    return {address(), extras_ ? extras_->name : detail::SharedName{}};
}

MAGNETAR_DECL detail::Extras& Actor<void>::extras() {
    if (!extras_) extras_ = std::make_unique<detail::Extras>(detail::ActorSettings{});
    return *extras_;
}

MAGNETAR_DECL Actor<void>::Actor(const detail::ActorSettings& settings, EventLoop& loop, ActorId id)
    : Runnable(&detail::ActorAccess::run),
      cell_(&detail::cell_table(detail::this_loop).take(detail::this_loop)),
      loop_(&loop),
      mailbox_(settings.mailbox, settings.overflow),
      concurrency_(settings.concurrency),
      serial_(settings.serial),
      started_(loop.now()) {
    cell_->actor = this;
    cell_->room = settings.overflow == Overflow::wait && settings.mailbox < INT_MAX
                      ? static_cast<int>(settings.mailbox)
                      : INT_MAX;
    cell_->id.store(id.value, std::memory_order_release);
    owner_id = id.value;
}

MAGNETAR_DECL Actor<void>::~Actor() { detail::ActorAccess::give_back_cell(*this); }

MAGNETAR_DECL ActorProxy<> Actor<void>::manager() const {
    if (parent_) return parent_->proxy();
    return extras_ ? extras_->manager : ActorProxy<>();
}

MAGNETAR_DECL void Actor<void>::stop(int code) noexcept { detail::ActorAccess::stop(*this, code); }

}  // namespace magnetar::inline MAGNETAR_MODE
