#pragma once
#include <exception>
#include <string_view>

#include <magnetar/actor/core/message.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The exception that a caller gets for a message that was not executed.
std::exception_ptr reject_error(RejectReason reason, ActorId target, std::string_view command);

// The same when the two processes have no link, with the reason.
std::exception_ptr no_link_error(ActorId target, std::string_view command, std::string_view reason);

}  // namespace magnetar::inline MAGNETAR_MODE::detail
