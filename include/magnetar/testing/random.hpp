#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::testing {

/// A pseudorandom number generator: one seed gives the same numbers with every machine and compiler. The
/// algorithm is splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
class Random {
public:
    explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

    std::uint64_t next() noexcept {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
    /// From 0 to `end` - 1; `end` must not be 0.
    std::uint64_t below(std::uint64_t end) noexcept { return next() % end; }
    /// From `first` to `last`, both included.
    std::uint64_t between(std::uint64_t first, std::uint64_t last) noexcept {
        return first + below(last - first + 1);
    }
    /// True with this probability: 0 is never, 1 always.
    bool chance(double probability) noexcept {
        return static_cast<double>(next() >> 11) * 0x1p-53 < probability;
    }
    /// Shuffles the elements of any container with size() and [].
    template <class List>
    void shuffle(List& list) noexcept {
        for (std::size_t left = list.size(); left > 1; --left) std::swap(list[left - 1], list[below(left)]);
    }

private:
    std::uint64_t state_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::testing
