#pragma once
#include <atomic>
#include <string>
#include <string_view>
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A name shared by all proxies of an actor, on any thread; null for the many actors without one, so that
// copying their proxies touches no shared memory.
class SharedName {
public:
    SharedName() noexcept = default;
    explicit SharedName(std::string_view text)
        : block_(text.empty() ? nullptr : new Block{{1}, std::string(text)}) {}
    SharedName(const SharedName& other) noexcept : block_(other.block_) {
        if (block_) block_->users.fetch_add(1, std::memory_order_relaxed);
    }
    SharedName(SharedName&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    SharedName& operator=(SharedName other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~SharedName() {
        if (block_) release();
    }
    const std::string& text() const noexcept;

private:
    struct Block {
        std::atomic<unsigned> users;
        std::string text;
    };
    void release() noexcept;
    Block* block_ = nullptr;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
