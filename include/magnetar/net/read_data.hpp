#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The result of a read: a view of the bytes, valid until the next read from the same stream, its close or
/// its destruction. False at the end of the stream. To keep the bytes, copy them: `text.append(data.begin(),
/// data.end())`.
class ReadData {
public:
    ReadData() noexcept = default;
    ReadData(const char* data, std::size_t size) noexcept : data_(data), size_(size) {}

    explicit operator bool() const noexcept { return size_ > 0; }
    const char* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    const char* begin() const noexcept { return data_; }
    const char* end() const noexcept { return data_ + size_; }

    std::string_view view() const noexcept { return {data_, size_}; }
    operator std::string_view() const noexcept { return view(); }
    std::span<const std::byte> bytes() const noexcept { return std::as_bytes(std::span(data_, size_)); }
    std::string to_string() const { return std::string(view()); }

private:
    const char* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace magnetar::inline MAGNETAR_MODE
