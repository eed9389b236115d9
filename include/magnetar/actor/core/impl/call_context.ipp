#pragma once
#include <magnetar/actor/core/call_context.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL void FreeChain::operator()(CallChain* chain) const noexcept { delete chain; }

}  // namespace magnetar::inline MAGNETAR_MODE::detail
