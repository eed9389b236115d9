#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A first-in first-out buffer of a fixed capacity, which may be 0. It allocates once.
template <class T>
class Ring {
public:
    explicit Ring(std::size_t capacity)
        : slots_(capacity > 0 ? std::make_unique<std::optional<T>[]>(capacity) : nullptr),
          capacity_(capacity) {}

    bool empty() const noexcept { return size_ == 0; }
    bool full() const noexcept { return size_ == capacity_; }
    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }

    // Must not be full.
    void push(T&& value) noexcept {
        std::size_t last = first_ + size_;
        slots_[last < capacity_ ? last : last - capacity_].emplace(std::move(value));
        ++size_;
    }
    // Must not be empty.
    T pop() noexcept {
        auto& slot = slots_[first_];
        T value = *std::move(slot);
        slot.reset();
        if (++first_ == capacity_) first_ = 0;
        --size_;
        return value;
    }

private:
    std::unique_ptr<std::optional<T>[]> slots_;
    std::size_t capacity_, first_ = 0, size_ = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
