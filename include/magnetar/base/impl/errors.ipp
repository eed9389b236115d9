#pragma once
#include <magnetar/base/errors.hpp>

#include <fmt/core.h>

#include <cxxabi.h>

#include <cstddef>
#include <cstdlib>
#include <system_error>
#include <typeinfo>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL void throw_system_error(int error, std::string_view operation, std::string_view object) {
    throw std::system_error(
        error, std::generic_category(),
        object.empty() ? std::string(operation) : fmt::format("{} {}", operation, object));
}

MAGNETAR_DECL std::string demangled(const char* mangled) {
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

MAGNETAR_DECL ErrorText describe(const std::exception_ptr& error) {
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
