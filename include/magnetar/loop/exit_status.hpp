#pragma once
#include <fmt/core.h>

#include <string.h>

#include <string>

#include <magnetar/base/detail/formatter.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// How a process or an actor ended: with an exit code, by a signal, or unknown. fmt prints it.
class ExitStatus {
public:
    /// It exited with `code`.
    explicit constexpr ExitStatus(int code = 0) noexcept : code_(code) {}
    /// Killed by `signal`.
    static constexpr ExitStatus killed(int signal) noexcept {
        ExitStatus status{128 + signal};
        status.signal_ = signal;
        return status;
    }

    /// Ended with an unknown status: other code collected it, or the kernel discarded it (SIGCHLD was
    /// ignored).
    static constexpr ExitStatus unknown() noexcept {
        ExitStatus status{unknown_code};
        status.signal_ = -1;
        return status;
    }

    /// The exit code; 128 + the signal if it was killed, as in shells; 255 if unknown.
    constexpr int code() const noexcept { return code_; }
    /// The signal that killed it, or 0.
    constexpr int signal() const noexcept { return signal_ > 0 ? signal_ : 0; }
    /// False for unknown().
    constexpr bool is_known() const noexcept { return signal_ >= 0; }
    /// It exited with code 0.
    constexpr bool clean() const noexcept { return code_ == 0; }
    /// `exited with 3`, `killed by signal 9 (Killed)` or `ended with an unknown status`.
    std::string to_string() const;
    friend constexpr bool operator==(ExitStatus, ExitStatus) noexcept = default;

private:
    static constexpr int unknown_code = 255;
    int code_;
    int signal_ = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE

template <>
struct fmt::formatter<magnetar::ExitStatus> : magnetar::detail::ToStringFormatter {};

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/impl/exit_status.ipp>
#endif
