#pragma once
#include <magnetar/loop/operation.hpp>

#include <magnetar/base/errors.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL int check(int result, std::string_view operation, std::string_view object) {
    if (result < 0) throw_system_error(-result, operation, object);
    return result;
}

}  // namespace magnetar::inline MAGNETAR_MODE
