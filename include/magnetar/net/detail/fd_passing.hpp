#pragma once
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <vector>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/detail/descriptors.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A message over a unix socket that carries descriptors. See cmsg(3), unix(7).
struct DescriptorMessage {
    static constexpr std::size_t most = Descriptors::most + 1;

    explicit DescriptorMessage(void* data, std::size_t size) noexcept;
    void attach(std::span<const UniqueFd> fds) noexcept;
    void attach_none() noexcept;
    std::vector<UniqueFd> received();
    iovec part;
    msghdr message{};
    alignas(cmsghdr) char control[CMSG_SPACE(most * sizeof(int))] = {};
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/detail/impl/fd_passing.ipp>
#endif
