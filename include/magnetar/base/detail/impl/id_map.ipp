#pragma once
#include <magnetar/base/detail/id_map.hpp>

#include <algorithm>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::vector<IdIndex::Node*> IdIndex::sorted() const {
    std::vector<Node*> nodes;
    nodes.reserve(size_);
    for_each([&](Node& node) { nodes.push_back(&node); });
    std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) { return a->id < b->id; });
    return nodes;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
