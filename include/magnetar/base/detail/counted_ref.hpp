#pragma once
#include <cstddef>
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

template <class T>
class CountedRef;

// The base of a reference-counted object that belongs to one loop: the count is not atomic.
class Counted {
public:
    Counted() noexcept = default;
    Counted(const Counted&) = delete;

private:
    template <class T>
    friend class CountedRef;
    std::size_t users_ = 0;
};

template <class T>
class CountedRef {
public:
    CountedRef() noexcept = default;
    explicit CountedRef(T& object) noexcept : object_(&object) { ++counted().users_; }
    CountedRef(const CountedRef& other) noexcept : object_(other.object_) {
        if (object_) ++counted().users_;
    }
    CountedRef(CountedRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    CountedRef& operator=(CountedRef other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~CountedRef() {
        if (object_ && --counted().users_ == 0) delete object_;
    }
    T* operator->() const noexcept { return object_; }
    T& operator*() const noexcept { return *object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }

private:
    Counted& counted() const noexcept { return *object_; }
    T* object_ = nullptr;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
