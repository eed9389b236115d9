#pragma once
#include <magnetar/actor/node/wire_form.hpp>

#include <fmt/core.h>

#include <cstdlib>
#include <stdexcept>
#include <string_view>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL WireForm wanted_wire_form() {
    const char* variable = std::getenv("MAGNETAR_WIRE");
    std::string_view wanted = variable ? variable : "";
    if (wanted.empty() || wanted == "binary") return WireForm::binary;
    if (wanted == "json") return WireForm::json;
    throw std::invalid_argument(fmt::format("MAGNETAR_WIRE={}: must be binary or json", wanted));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
