#pragma once
#include <string>
#include <vector>

#include <magnetar/actor/door.hpp>
#include <magnetar/actor/token.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The arbiter's options that concern its clients.
struct DoorSettings {
    std::vector<std::string> addresses;
    Token token, admin_token;
    std::vector<std::string> origins;
    DoorOptions limits;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
