#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <magnetar/actor/identity.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A command of a serial actor that waits for a request of its own, or for one made on its behalf.
struct ChainLink {
    std::uint64_t actor = 0;
    std::uint64_t number = 0;  // of the command, unique on its thread
    std::string step;          // for error texts: `name.command`
};
// These commands, the outermost caller first. A request to one of their actors could never be answered.
using CallChain = std::vector<ChainLink>;
struct FreeChain {
    // Out of line, since hardly any request has one.
    void operator()(CallChain* chain) const noexcept;
};
using CallChainPtr = Owned<CallChain, FreeChain>;

// Request metadata.
struct CallContext {
    LoopClock::time_point deadline{};  // after it the callee does not start the request; 0: none
    CallChainPtr chain;                // null when no serial actor waits for it
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
