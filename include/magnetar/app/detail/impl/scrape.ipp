#pragma once
#include <magnetar/app/detail/scrape.hpp>

#include <memory>
#include <utility>

#include <magnetar/app/detail/json_path.hpp>
#include <magnetar/app/detail/metrics.hpp>
#include <magnetar/app/detail/program_info.hpp>
#include <magnetar/app/detail/service.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace scraping {

inline Task<> carry_out(std::shared_ptr<MetricsOrder> order, Actor<>& root) {
    Service& program = *Service::current();
    auto asked = ++program.looks;
    Json info = co_await program_info(program, root);
    for (auto& application : info.at("applications").items()) {
        WorkerTotals& totals = program.totals[application.at("name").string()];
        totals.update_restarts(number_at(application, {"monitor", "monitor", "restarts"}));
        if (const Json* workers = application.find("workers")) {
            auto list = workers->items();
            totals.update({list.begin(), list.end()}, asked);
        }
    }
    order->fulfil(metrics_text(info, program.totals));
}
}  // namespace scraping

MAGNETAR_DECL bool scrape(std::shared_ptr<MetricsOrder> order) {
    return Service::current()->loop->handle().post([order = std::move(order)] {
        if (Arbiter<>* root = arbiter(); root && Service::current())
            core_of(*root).start_job(scraping::carry_out(order, *root)).detach();
    });
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
