#pragma once
#include <magnetar/actor/core/reject.hpp>

#include <fmt/core.h>

#include <magnetar/actor/core/known_names.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/base/errors.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::exception_ptr reject_error(RejectReason reason, ActorId target, std::string_view command) {
    auto who = name_or_id(target);
    switch (reason) {
        case RejectReason::not_found:
            return std::make_exception_ptr(
                ActorNotFound(fmt::format("{}: no living actor {}", command, who)));
        case RejectReason::lost:
            return std::make_exception_ptr(
                ActorLost(fmt::format("{}: {} ended before it answered", command, who)));
        case RejectReason::stopping:
            return std::make_exception_ptr(ActorStopping(fmt::format("{}: {} is stopping", command, who)));
        case RejectReason::full:
            return std::make_exception_ptr(
                MailboxFull(fmt::format("{}: the mailbox of {} is full", command, who)));
        case RejectReason::dropped:
            return std::make_exception_ptr(
                MailboxFull(fmt::format("{}: dropped from the full mailbox of {}", command, who)));
        case RejectReason::late:
            return std::make_exception_ptr(
                TimeoutError(fmt::format("{}: not started by {}: its deadline had passed", command, who)));
        case RejectReason::unknown_command:
            return std::make_exception_ptr(
                CommandNotFound(fmt::format("{} has no command {}", who, command)));
    }
    return nullptr;
}

MAGNETAR_DECL std::exception_ptr no_link_error(ActorId target, std::string_view command,
                                               std::string_view reason) {
    return std::make_exception_ptr(
        ActorLost(fmt::format("{}: no link to the process of {}: {}", command, name_or_id(target), reason)));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
