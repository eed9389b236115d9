#pragma once
#include <magnetar/loop/exit_status.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL std::string ExitStatus::to_string() const {
    if (!is_known()) return "ended with an unknown status";
    if (signal_ == 0) return fmt::format("exited with {}", code_);
    return fmt::format("killed by signal {} ({})", signal_, ::strsignal(signal_));
}

}  // namespace magnetar::inline MAGNETAR_MODE
