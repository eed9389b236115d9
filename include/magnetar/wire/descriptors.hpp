#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/error.hpp>

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
    static std::uint32_t put(UniqueFd fd) {
        if (!open_)
            throw CodecError("",
                             "a socket travels only to a new process, in the arguments of its actor's state");
        if (open_->fds.size() == most) throw CodecError("", "too many sockets in the arguments of one actor");
        open_->fds.push_back(std::move(fd));
        return static_cast<std::uint32_t>(open_->fds.size() - 1);
    }
    static UniqueFd take(std::uint32_t number) {
        if (!open_ || number >= open_->fds.size() || !open_->fds[number])
            throw CodecError("", "no such socket came with it");
        return std::move(open_->fds[number]);
    }

private:
    static inline constinit thread_local Descriptors* open_ = nullptr;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
