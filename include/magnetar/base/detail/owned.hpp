#pragma once
#include <cstddef>
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Owner of an object on the heap: replaces std::unique_ptr, for which g++ instantiates some forty templates
// per type.
template <class T>
struct Delete {
    void operator()(T* object) const noexcept {
        static_assert(sizeof(T) > 0, "the type must be complete where Owned is destroyed");
        delete object;
    }
};

template <class T, class Free = Delete<T>>
class Owned {
public:
    Owned() noexcept = default;
    Owned(std::nullptr_t) noexcept {}
    explicit Owned(T* object) noexcept : object_(object) {}
    Owned(Owned&& other) noexcept : object_(other.release()) {}
    template <class Derived>
    Owned(Owned<Derived>&& other) noexcept : object_(other.release()) {}
    Owned& operator=(Owned&& other) noexcept {
        reset(other.release());
        return *this;
    }
    ~Owned() { reset(); }

    T* get() const noexcept { return object_; }
    T& operator*() const noexcept { return *object_; }
    T* operator->() const noexcept { return object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }
    T* release() noexcept { return std::exchange(object_, nullptr); }
    void reset(T* object = nullptr) noexcept {
        if (T* old = std::exchange(object_, object)) Free()(old);
    }

private:
    T* object_ = nullptr;
};

template <class T, class... A>
Owned<T> make_owned(A&&... arguments) {
    return Owned<T>(new T(std::forward<A>(arguments)...));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
