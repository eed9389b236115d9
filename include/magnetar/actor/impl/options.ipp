#pragma once
#include <magnetar/actor/options.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include <magnetar/actor/identity.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/wire/utf8.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL bool ActorSettings::plain() const noexcept {
    return exit_timeout == usual_exit_timeout && !start && !stopping && !periodic_task && !on_info &&
           !on_params;
}

MAGNETAR_DECL void check_name(std::string_view of, std::string_view name) {
    for (std::size_t i = 0; i < name.size(); ++i)
        if (auto c = static_cast<unsigned char>(name[i]); c < 0x20 || c == 0x7f)
            throw std::invalid_argument(
                fmt::format("{} name with control character 0x{:02x} at byte {}", of, c, i));
    if (!is_utf8(name)) throw std::invalid_argument(fmt::format("{} name that is not UTF-8", of));
    if (name.size() > 255)
        throw std::invalid_argument(fmt::format("{} name of {} bytes: at most 255", of, name.size()));
}

MAGNETAR_DECL void check_settings(std::string_view name, ActorSettings& settings) {
    check_name("actor", name);
    if (name == "arbiter" || name == "monitor" || ActorId::parse(name))
        throw std::invalid_argument(fmt::format("actor name '{}' is reserved", name));
    if (settings.threads == 0) throw std::invalid_argument("an executor of 0 threads: at least 1");
    if (settings.mailbox == 0) throw std::invalid_argument("mailbox of 0: at least 1");
    settings.mailbox = std::min(settings.mailbox, std::uint32_t{1} << 30);  // counted in an int
    auto seconds = [](Nanoseconds d) { return std::chrono::duration<double>(d).count(); };
    if (settings.timeout <= Nanoseconds::zero())
        throw std::invalid_argument(
            fmt::format("timeout of {} s: must be positive", seconds(settings.timeout)));
    if (settings.exit_timeout < Nanoseconds::zero())
        throw std::invalid_argument(
            fmt::format("exit_timeout of {} s: must not be negative", seconds(settings.exit_timeout)));
    if (settings.stall < Nanoseconds::zero())
        throw std::invalid_argument(
            fmt::format("stall of {} s: must not be negative", seconds(settings.stall)));
    for (auto* length : {&settings.timeout, &settings.exit_timeout, &settings.stall})
        *length = clamped(*length);
    if (settings.period < Nanoseconds::zero())
        throw std::invalid_argument(
            fmt::format("period of {} s: must not be negative", seconds(settings.period)));
    settings.period = clamped(settings.period);
    if (settings.period == Nanoseconds::zero()) settings.period = usual_period(settings.timeout);
}

MAGNETAR_DECL Nanoseconds usual_period(Nanoseconds timeout) {
    using namespace std::chrono_literals;
    auto period = std::clamp<Nanoseconds>(timeout * 3 / 10, 3s, 60s);
    return period < timeout ? period : timeout * 3 / 10;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
