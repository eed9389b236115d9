#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A table of values, addressed by numbers that callers may present later and that may be stale or forged. A
// number consists of an index and the count of earlier uses of that index, so a stale or forged number finds
// nothing. A value equal to T{} counts as empty.
template <class T>
class Slots {
public:
    std::uint64_t put(T value) {
        if (free_ == none) {
            free_ = static_cast<std::uint32_t>(slots_.size());
            slots_.push_back({T{}, 0, none});
        }
        std::uint32_t index = free_;
        Slot& slot = slots_[index];
        free_ = slot.next_free;
        slot.value = std::move(value);
        return std::uint64_t{slot.uses} << 32 | index;
    }
    // The value with that number, valid until the next `put`; null if there is none.
    T* find(std::uint64_t number) noexcept {
        auto index = static_cast<std::uint32_t>(number);
        if (index >= slots_.size()) return nullptr;
        Slot& slot = slots_[index];
        return slot.uses == number >> 32 && slot.value ? &slot.value : nullptr;
    }
    const T* find(std::uint64_t number) const noexcept { return const_cast<Slots*>(this)->find(number); }
    // Removes and returns the value; T{} if there is none.
    T take(std::uint64_t number) noexcept {
        T* value = find(number);
        if (!value) return T{};
        auto index = static_cast<std::uint32_t>(number);
        ++slots_[index].uses;
        slots_[index].next_free = std::exchange(free_, index);
        return std::exchange(*value, T{});
    }
    // Calls `f(value)` for each value; `f` may call put and take.
    template <class F>
    void for_each(F f) {
        for (std::size_t i = 0; i < slots_.size(); ++i)
            if (slots_[i].value) f(slots_[i].value);
    }

private:
    static constexpr std::uint32_t none = ~0u;
    struct Slot {
        T value;
        std::uint32_t uses, next_free;
    };
    std::vector<Slot> slots_;
    std::uint32_t free_ = none;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
