#pragma once
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string_view>

#include <magnetar/loop/loop_options.hpp>
#include <magnetar/loop/uring_engine.hpp>

namespace magnetar::detail {

// The engine that MAGNETAR_ENGINE names.
inline std::unique_ptr<Engine> make_engine(const LoopOptions& options) {
    const char* variable = std::getenv("MAGNETAR_ENGINE");
    std::string_view wanted = variable ? variable : "auto";
    if (wanted != "auto" && wanted != "io_uring")
        throw std::invalid_argument(
            fmt::format("MAGNETAR_ENGINE is {}: it must be auto or io_uring", wanted));
    return std::make_unique<UringEngine>(options.entries);
}

}  // namespace magnetar::detail
