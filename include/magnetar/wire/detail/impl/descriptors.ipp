#pragma once

#include <magnetar/wire/detail/descriptors.hpp>

#include <magnetar/wire/error.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::uint32_t Descriptors::put(UniqueFd fd) {
    if (!open_)
        throw CodecError("",
                         "a socket can be sent only to a new process, in the arguments of its actor's state");
    if (open_->fds.size() == most) throw CodecError("", "too many sockets in the arguments of one actor");
    open_->fds.push_back(std::move(fd));
    return static_cast<std::uint32_t>(open_->fds.size() - 1);
}

MAGNETAR_DECL UniqueFd Descriptors::take(std::uint32_t number) {
    if (!open_ || number >= open_->fds.size() || !open_->fds[number])
        throw CodecError("", "the message carries no such socket");
    return std::move(open_->fds[number]);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
