#pragma once
#include <magnetar/actor/core/shared_name.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void SharedName::release() noexcept {
    if (block_->users.fetch_sub(1, std::memory_order_acq_rel) == 1) delete block_;
}

MAGNETAR_DECL const std::string& SharedName::text() const noexcept {
    static const std::string none;
    return block_ ? block_->text : none;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
