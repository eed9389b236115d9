#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/error.hpp>

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

/// Numbers are encoded little-endian; on a little-endian machine this is one store or one load.
template <class T>
inline void store_little(std::byte* to, T value) noexcept {
    std::memcpy(to, &value, sizeof(T));
    if constexpr (std::endian::native == std::endian::big)
        for (std::size_t i = 0; i < sizeof(T) / 2; ++i) std::swap(to[i], to[sizeof(T) - 1 - i]);
}
template <class T>
inline T load_little(const std::byte* from) noexcept {
    T value;
    if constexpr (std::endian::native == std::endian::big) {
        std::byte bytes[sizeof(T)];
        for (std::size_t i = 0; i < sizeof(T); ++i) bytes[i] = from[sizeof(T) - 1 - i];
        std::memcpy(&value, bytes, sizeof(T));
    } else {
        std::memcpy(&value, from, sizeof(T));
    }
    return value;
}

/// Memory limit of a decoded value: a fixed amount in bytes, plus a multiple of the input size.
inline constexpr std::size_t free_memory = 1 << 20;
inline constexpr std::size_t memory_factor = 64;

/// Limit of collisions in a value's hash maps: hostile keys would make decoding quadratic.
inline constexpr std::size_t most_collisions = 1 << 17;

/// The maximum length of a varint: ten bytes of seven bits.
inline constexpr std::size_t max_varint = 10;

}  // namespace detail

/// A Writer would have grown beyond its limit.
class SizeError : public CodecError {
public:
    SizeError(std::size_t needed, std::size_t most);

    /// The minimum number of bytes needed.
    std::size_t needed() const noexcept { return needed_; }

private:
    std::size_t needed_;
};

/// A growing byte buffer that is appended to: the output of the codec and of the frame encoder.
///
///     Writer writer;
///     encode(writer, point);
///     co_await stream.write(writer.bytes());
///     writer.clear();  // keeps its memory for the next message
class Writer {
public:
    Writer() noexcept = default;
    Writer(Writer&& other) noexcept { swap(other); }
    Writer& operator=(Writer&& other) noexcept {
        Writer(std::move(other)).swap(*this);
        return *this;
    }
    ~Writer() {
        if (data_) pool_free(data_, capacity_);
    }

    /// Appends `count` uninitialised bytes and returns a pointer to them, valid until the next call that
    /// appends.
    std::byte* extend(std::size_t count) {
        if (count > capacity_ - size_) [[unlikely]]
            grow(count);
        auto* to = data_ + size_;
        size_ += count;
        return to;
    }

    void append(std::span<const std::byte> bytes) {
        if (!bytes.empty()) std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
    }
    void append(std::string_view text) { append(std::as_bytes(std::span(text.data(), text.size()))); }

    /// Appends a number, little-endian.
    template <class T>
        requires std::is_arithmetic_v<T>
    void put(T value) {
        detail::store_little(extend(sizeof(T)), value);
    }

    /// Appends a length or count in the fewest bytes: seven bits per byte, lowest first (LEB128).
    void put_varint(std::uint64_t value) {
        auto* to = extend(detail::max_varint);
        auto* end = to;
        for (; value >= 0x80; value >>= 7) *end++ = static_cast<std::byte>(value | 0x80);
        *end++ = static_cast<std::byte>(value);
        size_ -= detail::max_varint - static_cast<std::size_t>(end - to);
    }

    /// All bytes written; valid until the next call that changes the writer.
    std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
    std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }
    std::byte* data() noexcept { return data_; }

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    std::size_t capacity() const noexcept { return capacity_; }

    /// Discards the bytes and keeps the memory.
    void clear() noexcept { size_ = 0; }

    /// Discards all bytes after the first `size`; there must be at least `size`.
    void truncate(std::size_t size) noexcept { size_ = size; }

    /// Discards the first `size` bytes; there must be at least `size`.
    void drop(std::size_t size) noexcept {
        size_ -= size;
        if (size != 0 && size_ != 0) std::memmove(data_, data_ + size, size_);
    }

    /// Reserves memory for `count` more bytes.
    void reserve(std::size_t count) {
        if (count > capacity_ - size_) grow(count);
    }

    /// Limits growth to `most` bytes from now on: a call that needs more throws SizeError before it allocates
    /// memory.
    void limit(std::size_t most) noexcept { limit_ = most; }

    /// Throws CodecError with the current write position.
    [[noreturn, gnu::cold]] void fail(const char* reason) const;

    void swap(Writer& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
        std::swap(limit_, other.limit_);
    }

private:
    void grow(std::size_t count);

    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
    std::size_t limit_ = SIZE_MAX;
};

/// Reads untrusted bytes: every read is checked against the remaining input and throws CodecError. A decoded
/// value takes at most 1 MiB of memory plus 64 times the size of the bytes. The bytes must outlive the
/// reader.
class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) noexcept
        : begin_(bytes.data()),
          at_(begin_),
          end_(begin_ + bytes.size()),
          memory_left_(detail::free_memory + detail::memory_factor * bytes.size()) {}

    /// Consumes the next `count` bytes.
    const std::byte* take(std::size_t count) {
        if (count > remaining()) [[unlikely]]
            fail("the input ends too early");
        return std::exchange(at_, at_ + count);
    }

    /// Consumes a number, little-endian.
    template <class T>
        requires std::is_arithmetic_v<T>
    T get() {
        return detail::load_little<T>(take(sizeof(T)));
    }

    /// Reads a number written by put_varint. Longer encodings of the same number are refused: every value has
    /// one encoding.
    std::uint64_t get_varint() {
        auto byte = std::to_integer<std::uint64_t>(*take(1));
        if (byte < 0x80) [[likely]]
            return byte;
        return get_long_varint(byte);
    }

    /// Reads a count of elements of at least `element_size` bytes each; refused if the remaining input is too
    /// short for them, so that nothing is allocated for absent elements.
    std::size_t get_count(std::size_t element_size) {
        auto count = get_varint();
        if (count > remaining() / element_size) [[unlikely]]
            fail("a count greater than the input that follows");
        return static_cast<std::size_t>(count);
    }

    /// Call this before memory is allocated for `count` values of `size` bytes. Throws CodecError when the
    /// whole value takes more memory than its input allows.
    void charge(std::size_t count, std::size_t size) {
        if (count > memory_left_ / size) [[unlikely]]
            fail("a value that takes more memory than its input allows");
        memory_left_ -= count * size;
    }

    /// Call this from time to time while a hash map is filled, with the length of one of its chains. Throws
    /// CodecError when the chains of all maps are so long that the keys must be crafted.
    void collide(std::size_t chain) {
        if (chain > collisions_left_) [[unlikely]]
            fail("too many keys that collide");
        collisions_left_ -= chain;
    }

    std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - at_); }
    std::size_t position() const noexcept { return static_cast<std::size_t>(at_ - begin_); }

    /// The unread bytes.
    std::span<const std::byte> rest() const noexcept { return {at_, remaining()}; }

    /// Throws CodecError if unread bytes remain.
    void finish() const {
        if (at_ != end_) [[unlikely]]
            fail("extra input after the value");
    }

    [[noreturn, gnu::cold]] void fail(const char* reason) const;

    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

private:
    std::uint64_t get_long_varint(std::uint64_t first);

    const std::byte* begin_;
    const std::byte* at_;
    const std::byte* end_;
    std::size_t memory_left_;
    std::size_t collisions_left_ = detail::most_collisions;
};

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/impl/bytes.ipp>
#endif
