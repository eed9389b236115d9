#pragma once
#include <memory>

#include <magnetar/app/detail/metrics.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Requests the text of /metrics, which the arbiter's loop makes from all workers of the running program. May
// be called on any thread, and does not wait; false when that loop has ended.
bool scrape(std::shared_ptr<MetricsOrder> order);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/scrape.ipp>
#endif
