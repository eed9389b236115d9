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

MAGNETAR_DECL void check_name(std::string_view of, std::string_view name) {
    for (std::size_t i = 0; i < name.size(); ++i)
        if (auto c = static_cast<unsigned char>(name[i]); c < 0x20 || c == 0x7f)
            throw std::invalid_argument(
                fmt::format("{} name with control character 0x{:02x} at byte {}", of, c, i));
    if (!is_utf8(name)) throw std::invalid_argument(fmt::format("{} name that is not UTF-8", of));
    if (name.size() > 255)
        throw std::invalid_argument(fmt::format("{} name of {} bytes: at most 255", of, name.size()));
}

MAGNETAR_DECL void check_actor_name(std::string_view name) {
    check_name("actor", name);
    if (name == "arbiter" || name == "monitor" || ActorId::parse(name))
        throw std::invalid_argument(fmt::format("actor name '{}' is reserved", name));
}

MAGNETAR_DECL void refuse_length(const char* option, Nanoseconds length, const char* rule) {
    throw std::invalid_argument(
        fmt::format("{} of {} s: must {}", option, std::chrono::duration<double>(length).count(), rule));
}

// Throws for the first invalid setting.
[[noreturn, gnu::cold, gnu::noinline]] MAGNETAR_DECL void refuse_settings(const ActorSettings& settings) {
    if (settings.concurrency > Concurrency::coroutine || settings.overflow > Overflow::drop_oldest ||
        settings.rights > Rights::none)
        throw std::invalid_argument("an option has a value outside its enumeration");
    if (settings.threads == 0) throw std::invalid_argument("threads is 0: must be at least 1");
    if (settings.mailbox == 0) throw std::invalid_argument("mailbox is 0: must be at least 1");
    if (settings.timeout <= Nanoseconds::zero()) refuse_length("timeout", settings.timeout, "be positive");
    if (settings.exit_timeout < Nanoseconds::zero())
        refuse_length("exit_timeout", settings.exit_timeout, "not be negative");
    if (settings.stall < Nanoseconds::zero()) refuse_length("stall", settings.stall, "not be negative");
    refuse_length("period", settings.period, "not be negative");
}

MAGNETAR_DECL void check_settings(std::string_view name, ActorSettings& settings) {
    if (!name.empty()) check_actor_name(name);
    // One combined check: spawning a light actor takes few instructions more than this.
    bool known = settings.concurrency <= Concurrency::coroutine &&
                 settings.overflow <= Overflow::drop_oldest && settings.rights <= Rights::none;
    bool negative = (settings.exit_timeout.count() | settings.stall.count() | settings.period.count()) < 0;
    bool none = settings.threads == 0 || settings.mailbox == 0 || settings.timeout <= Nanoseconds::zero();
    if (!known || negative || none) [[unlikely]]
        refuse_settings(settings);
    settings.mailbox = std::min(settings.mailbox, std::uint32_t{1} << 30);  // counted in an int
    for (auto* length : {&settings.timeout, &settings.exit_timeout, &settings.stall})
        *length = std::min(*length, longest_wait);
    settings.period = settings.period == Nanoseconds::zero() ? usual_period(settings.timeout)
                                                             : std::min(settings.period, longest_wait);
}

MAGNETAR_DECL Nanoseconds usual_period(Nanoseconds timeout) {
    using namespace std::chrono_literals;
    auto period = std::clamp<Nanoseconds>(timeout * 3 / 10, 3s, 60s);
    return period < timeout ? period : timeout * 3 / 10;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
