#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <magnetar/actor/identity.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A command of a serial actor that waits for a request, or for one made on its behalf.
struct ChainLink {
    std::uint64_t actor = 0;
    std::uint64_t number = 0;  // of the command, among those of its thread
    std::string step;          // for people: `name.command`
};
// Those commands, the first caller first. A request to one of their actors could never be answered.
using CallChain = std::vector<ChainLink>;
struct FreeChain {
    // Out of line, as hardly any request has one.
    void operator()(CallChain* chain) const noexcept;
};
using CallChainPtr = Owned<CallChain, FreeChain>;

// What a request says beside its arguments.
struct CallContext {
    LoopClock::time_point deadline{};  // past it the callee does not start it; none when it is zero
    CallChainPtr chain;                // null when no serial actor waits for it
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
