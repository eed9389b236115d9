#pragma once
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The result of a computation: none yet, a value, or an exception. The only result storage of tasks, jobs,
/// when_all and requests. `T` may be void, a reference, or move-only.
template <class T>
class [[nodiscard]] Outcome {
    using Stored =
        std::conditional_t<std::is_void_v<T>, char,
                           std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>>;
    enum class Kind : unsigned char { empty, value, error };

public:
    Outcome() noexcept {}
    Outcome(Outcome&& other) noexcept(std::is_nothrow_move_constructible_v<Stored>) {
        take(std::move(other));
    }
    Outcome& operator=(Outcome&& other) noexcept(std::is_nothrow_move_constructible_v<Stored>) {
        if (this != &other) {
            reset();
            take(std::move(other));
        }
        return *this;
    }
    ~Outcome() { reset(); }

    explicit operator bool() const noexcept { return kind_ != Kind::empty; }
    bool has_value() const noexcept { return kind_ == Kind::value; }
    bool has_error() const noexcept { return kind_ == Kind::error; }
    /// The exception; null unless has_error().
    std::exception_ptr error() const noexcept { return has_error() ? error_ : nullptr; }
    /// A pointer to the stored exception; null unless has_error().
    const std::exception_ptr* error_if() const noexcept { return has_error() ? &error_ : nullptr; }

    template <class... A>
    void emplace(A&&... args) {
        reset();
        emplace_first(std::forward<A>(args)...);
    }
    /// Like emplace, for an outcome that is empty.
    template <class... A>
    void emplace_first(A&&... args) {
        if constexpr (std::is_reference_v<T>) value_ = std::addressof(args...);
        else if constexpr (!std::is_void_v<T>)
            ::new (static_cast<void*>(std::addressof(value_))) Stored(std::forward<A>(args)...);
        kind_ = Kind::value;
    }
    void fail(std::exception_ptr error) noexcept {
        reset();
        ::new (static_cast<void*>(&error_)) std::exception_ptr(std::move(error));
        kind_ = Kind::error;
    }
    /// Moves the value out or throws the exception. Must not be empty; call it once.
    T get() {
        if (kind_ == Kind::error) [[unlikely]]
            std::rethrow_exception(error_);
        if constexpr (std::is_reference_v<T>) return static_cast<T>(*value_);
        else if constexpr (!std::is_void_v<T>) return std::move(value_);
    }

private:
    void take(Outcome&& other) {
        if (other.kind_ == Kind::value) {
            if constexpr (std::is_void_v<T>) emplace();
            else
                ::new (static_cast<void*>(std::addressof(value_))) Stored(std::move(other.value_)),
                    kind_ = Kind::value;
        } else if (other.kind_ == Kind::error) {
            fail(other.error_);
        }
    }
    void reset() noexcept {
        if (kind_ == Kind::error) [[unlikely]]
            std::destroy_at(&error_);
        else if constexpr (!std::is_trivially_destructible_v<Stored>)
            if (kind_ == Kind::value) std::destroy_at(std::addressof(value_));
        kind_ = Kind::empty;
    }
    union {
        Stored value_;
        std::exception_ptr error_;
    };
    Kind kind_ = Kind::empty;
};

}  // namespace magnetar::inline MAGNETAR_MODE
