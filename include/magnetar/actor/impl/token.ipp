#pragma once

#include <magnetar/actor/token.hpp>

#include <cstddef>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

MAGNETAR_DECL bool Token::matches(std::string_view shown) const noexcept {
    if (secret_.empty()) return false;
    std::size_t different = shown.size() ^ secret_.size();
    for (std::size_t i = 0; i < shown.size(); ++i)
        different |= static_cast<unsigned char>(shown[i] ^ secret_[i % secret_.size()]);
    // Otherwise the compiler may end the loop at the first difference.
    asm volatile("" : "+r"(different));
    return different == 0;
}

}  // namespace magnetar::inline MAGNETAR_MODE
