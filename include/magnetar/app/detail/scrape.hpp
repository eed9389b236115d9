#pragma once
#include <string>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The text of /metrics, from all workers of the program that runs: asked for on another thread than the
// arbiter's, made on the arbiter's loop. Empty when it has not come within two seconds. Blocks.
std::string scrape();

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/scrape.ipp>
#endif
