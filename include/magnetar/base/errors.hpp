#pragma once
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Ends the operation that a cancelled job was waiting for. Not derived from std::exception, so that
/// `catch (const std::exception&)` never swallows a cancellation; catch it only to clean up, then rethrow it.
struct Cancelled {};

/// A timeout expired: thrown by with_timeout.
class TimeoutError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Throws std::system_error for `error` (an errno value) with the operation and its object in the text:
/// `connect 127.0.0.1:80: Connection refused`.
[[noreturn]] void throw_system_error(int error, std::string_view operation, std::string_view object = {});

/// The name of a type as written in source code (`std::invalid_argument`), from its typeid name. The inline
/// namespace of magnetar's types is omitted, so both compilation modes give the same name.
std::string demangled(const char* mangled);

/// Type and text of an exception, for replies and logs.
struct ErrorText {
    std::string type;
    std::string what;
};

/// Describes an exception; `what` is empty for types that are neither derived from std::exception nor
/// Cancelled.
ErrorText describe(const std::exception_ptr& error);

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/base/impl/errors.ipp>
#endif
