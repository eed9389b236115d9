#pragma once
#include <magnetar/app/detail/control_client.hpp>

#include <fmt/core.h>

#include <stdexcept>
#include <system_error>

#include <magnetar/actor/errors.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

inline RemoteArbiter connect_to_program(EventLoop& loop, const std::string& path) {
    if (path.empty()) throw NoProgramRuns("there is no control socket: --control sets its path");
    try {
        return loop.run(connect_arbiter("ws+unix:" + path));
    } catch (const std::system_error& error) {
        throw NoProgramRuns(
            fmt::format("no program runs that listens on {}: {}", path, error.code().message()));
    }
}

MAGNETAR_DECL ControlClient::ControlClient(const std::string& path)
    : arbiter_(connect_to_program(loop_, path)) {}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
