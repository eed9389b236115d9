#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// File descriptors that go beside encoded bytes, where there is a way for them: in the plan of a new process.
// While one of these is open, what this thread encodes puts its descriptors here, and what it decodes takes
// them from here; the bytes hold their numbers in this list.
class Descriptors {
public:
    // So many go with one message: SCM_RIGHTS takes 253.
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
