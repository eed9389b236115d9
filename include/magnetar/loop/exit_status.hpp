#pragma once
#include <fmt/core.h>
#include <string.h>

#include <string>

#include <magnetar/base/formatter.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// How a process, or any actor, ended: by itself with a code, or killed by a signal.
class ExitStatus {
public:
    /// Ended by itself.
    explicit constexpr ExitStatus(int code = 0) noexcept : code_(code) {}
    /// Killed by `signal`.
    static constexpr ExitStatus killed(int signal) noexcept {
        ExitStatus status{128 + signal};
        status.signal_ = signal;
        return status;
    }

    /// The exit code; 128 + the signal when it was killed, as shells have it.
    constexpr int code() const noexcept { return code_; }
    /// The signal that killed it, or 0.
    constexpr int signal() const noexcept { return signal_; }
    /// It ended by itself, with code 0.
    constexpr bool clean() const noexcept { return code_ == 0; }
    /// `exited with 3` or `killed by signal 9 (Killed)`.
    std::string to_string() const {
        if (signal_ == 0) return fmt::format("exited with {}", code_);
        return fmt::format("killed by signal {} ({})", signal_, ::strsignal(signal_));
    }
    friend constexpr bool operator==(ExitStatus, ExitStatus) noexcept = default;

private:
    int code_;
    int signal_ = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE

template <>
struct fmt::formatter<magnetar::ExitStatus> : magnetar::detail::ToStringFormatter {};
