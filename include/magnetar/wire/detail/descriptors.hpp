#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// File descriptors passed along with an encoded value (SCM_RIGHTS); only spawn requests carry any. While a
// Descriptors object is open on a thread, encoding on that thread moves descriptors into it, and decoding
// takes them from it; the bytes hold their indices in this list.
class Descriptors {
public:
    // Maximum per message; SCM_RIGHTS permits 253.
    static constexpr std::size_t most = 16;

    std::vector<UniqueFd> fds;

    class Opened {
    public:
        explicit Opened(Descriptors& descriptors) noexcept : outer_(std::exchange(open_, &descriptors)) {}
        Opened(const Opened&) = delete;
        ~Opened() { open_ = outer_; }

    private:
        Descriptors* outer_;
    };
    static std::uint32_t put(UniqueFd fd);
    static UniqueFd take(std::uint32_t number);

private:
    static inline constinit thread_local Descriptors* open_ = nullptr;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/detail/impl/descriptors.ipp>
#endif
