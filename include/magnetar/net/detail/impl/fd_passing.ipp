#pragma once
#include <magnetar/net/detail/fd_passing.hpp>

#include <cstring>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL DescriptorMessage::DescriptorMessage(void* data, std::size_t size) noexcept : part{data, size} {
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
}

MAGNETAR_DECL void DescriptorMessage::attach(std::span<const UniqueFd> fds) noexcept {
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    for (std::size_t i = 0; i < fds.size(); ++i) {
        int fd = fds[i].get();
        std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
    }
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
}

MAGNETAR_DECL void DescriptorMessage::attach_none() noexcept {
    message.msg_control = nullptr;
    message.msg_controllen = 0;
}

MAGNETAR_DECL std::vector<UniqueFd> DescriptorMessage::received() {
    std::vector<UniqueFd> fds;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return fds;
    for (std::size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= header->cmsg_len; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        fds.emplace_back(fd);
    }
    return fds;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
