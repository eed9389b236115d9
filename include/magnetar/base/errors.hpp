#pragma once
#include <fmt/core.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <typeinfo>

#include <cxxabi.h>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Ends the operation that a cancelled job was waiting for. Not derived from std::exception, so that
/// `catch (const std::exception&)` never swallows a cancellation; catch it only to clean up, and throw it on.
struct Cancelled {};

/// Time ran out: thrown by with_timeout.
class TimeoutError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Throws std::system_error for `error` (an errno value) with the operation and its object in the text:
/// `connect 127.0.0.1:80: Connection refused`.
[[noreturn]] inline void throw_system_error(int error, std::string_view operation,
                                            std::string_view object = {}) {
    throw std::system_error(
        error, std::generic_category(),
        object.empty() ? std::string(operation) : fmt::format("{} {}", operation, object));
}

/// The name of a type as a person writes it (`std::invalid_argument`), from its typeid name. The inline namespace of
/// magnetar's own types is left out: both ways to compile give one name.
inline std::string demangled(const char* mangled) {
    int status = 0;
    char* text = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
    std::string name = status == 0 && text ? text : mangled;
    std::free(text);
    for (std::string_view mode : {"magnetar::header_only::", "magnetar::compiled::"})
        for (std::size_t at; (at = name.find(mode)) != name.npos;)
            name.erase(at + std::string_view("magnetar::").size(),
                       mode.size() - std::string_view("magnetar::").size());
    return name;
}

/// Type and text of an exception, for answers and logs.
struct ErrorText {
    std::string type;
    std::string what;
};

/// Reads an exception; `what` is empty for those that neither derive from std::exception nor are Cancelled.
inline ErrorText describe(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return {demangled(typeid(e).name()), e.what()};
    } catch (const Cancelled&) {
        return {"magnetar::Cancelled", "cancelled"};
    } catch (...) {
        const std::type_info* type = abi::__cxa_current_exception_type();
        return {type ? demangled(type->name()) : "unknown", ""};
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE
