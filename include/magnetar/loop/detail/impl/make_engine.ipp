#pragma once
#include <magnetar/loop/detail/make_engine.hpp>

#include <fmt/core.h>

#include <liburing.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include <magnetar/base/log.hpp>
#include <magnetar/loop/detail/epoll_engine.hpp>
#include <magnetar/loop/detail/uring_engine.hpp>
#include <magnetar/loop/engine_error.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::unique_ptr<Engine> make_uring(const LoopOptions& options) {
    // Without CQSIZE there are twice as many completions as entries.
    if (tiny()) return std::make_unique<UringEngine>(4, UringEngine::best_flags & ~IORING_SETUP_CQSIZE);
    return std::make_unique<UringEngine>(options.entries);
}

MAGNETAR_DECL std::unique_ptr<Engine> best_engine(const LoopOptions& options) {
    static std::atomic<bool> forbidden{false};
    if (forbidden.load(std::memory_order_relaxed)) return std::make_unique<EpollEngine>();
    try {
        return make_uring(options);
    } catch (const EngineError& error) {
        // Out of descriptors: epoll would fail too.
        if (error.code().value() == EMFILE || error.code().value() == ENFILE) throw;
        if (!forbidden.exchange(true, std::memory_order_relaxed))
            Logger("loop").warning("io_uring is not available, using epoll: {}", error.what());
        return std::make_unique<EpollEngine>();
    }
}

MAGNETAR_DECL std::unique_ptr<Engine> make_engine(const LoopOptions& options) {
    const char* variable = std::getenv("MAGNETAR_ENGINE");
    std::string_view wanted = variable ? variable : "auto";
    if (wanted == "auto" || wanted == "automatic") return best_engine(options);
    if (wanted == "io_uring") return make_uring(options);
    if (wanted == "epoll") return std::make_unique<EpollEngine>();
    throw std::invalid_argument(
        fmt::format("MAGNETAR_ENGINE is {}: it must be auto, io_uring or epoll", wanted));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
