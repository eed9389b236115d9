#pragma once
#include <memory>

#include <magnetar/app/detail/metrics.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Has the text of /metrics made on the arbiter's loop, from all workers of the program that runs. May be
// called on any thread, and does not wait; false when that loop has ended.
bool scrape(std::shared_ptr<MetricsOrder> order);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/scrape.ipp>
#endif
