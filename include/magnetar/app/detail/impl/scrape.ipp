#pragma once
#include <magnetar/app/detail/scrape.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>

#include <magnetar/app/detail/json_path.hpp>
#include <magnetar/app/detail/metrics.hpp>
#include <magnetar/app/detail/program_info.hpp>
#include <magnetar/app/detail/service.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/loop/event_loop.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// What the arbiter's loop makes for the thread that waits for it.
namespace scraping {

struct Scrape final : Runnable {
    Scrape() : Runnable(&Scrape::arrive) {}
    static void arrive(Runnable& self) {
        auto& order = static_cast<Scrape&>(self);
        std::shared_ptr<Scrape> kept = std::exchange(order.me, nullptr);
        if (Arbiter<>* root = arbiter(); root && Service::current())
            core_of(*root).start_job(carry_out(kept, *root)).detach();
    }
    static Task<> carry_out(std::shared_ptr<Scrape> order, Actor<>& root) {
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
        std::string text = metrics_text(info, program.totals);
        std::lock_guard lock(order->mutex);
        order->text = std::move(text);
        order->done = true;
        order->changed.notify_all();
    }
    std::shared_ptr<Scrape> me;
    std::mutex mutex;
    std::condition_variable changed;
    std::string text;
    bool done = false;
};

}  // namespace scraping

MAGNETAR_DECL std::string scrape() {
    auto order = std::make_shared<scraping::Scrape>();
    order->me = order;
    if (!Service::current()->loop->handle().post(*order)) {
        order->me.reset();
        return {};
    }
    std::unique_lock lock(order->mutex);
    order->changed.wait_for(lock, std::chrono::seconds(2), [&] { return order->done; });
    return order->done ? order->text : std::string();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
