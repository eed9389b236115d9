#pragma once

#include <stdexcept>
#include <string>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// A value that cannot be encoded, or input that does not contain the requested value.
///
/// `what()` is `where: reason`, as in `$.points[3].x: 1.5 is not an integer`.
class CodecError : public std::runtime_error {
public:
    CodecError(std::string where, std::string reason);

    /// The position: `$.points[3].x` in the JSON form, `byte 17` in the binary form; empty if it concerns the
    /// whole value.
    const std::string& path() const noexcept { return path_; }

    /// The reason, without the position.
    const std::string& reason() const noexcept { return reason_; }

private:
    std::string path_;
    std::string reason_;
};

/// Text that is not JSON, or a Json used as a kind that it does not have.
class JsonError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The maximum nesting depth of values, in both forms: arrays and objects in JSON; structs, types with a
/// Codec and Json values in the binary form. Bounds the stack that hostile input can make a decoder use.
inline constexpr int max_nesting = 64;

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/impl/error.ipp>
#endif
