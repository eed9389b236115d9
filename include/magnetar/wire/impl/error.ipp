#pragma once

#include <magnetar/wire/error.hpp>

#include <utility>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL CodecError::CodecError(std::string where, std::string reason)
    : std::runtime_error(where.empty() ? reason : where + ": " + reason),
      path_(std::move(where)),
      reason_(std::move(reason)) {}

}  // namespace magnetar::inline MAGNETAR_MODE
