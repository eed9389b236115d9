#pragma once
#include <magnetar/actor/core/state_factory.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::vector<MakeActor>& actor_types() {
    static auto& table = *new std::vector<MakeActor>;
    return table;
}

MAGNETAR_DECL std::uint32_t enlist_actor_type(MakeActor make) {
    actor_types().push_back(make);
    return static_cast<std::uint32_t>(actor_types().size() - 1);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
