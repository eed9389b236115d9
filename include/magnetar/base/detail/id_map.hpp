#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The part of an IdMap that does not depend on the value type: chains of nodes, hashed by id.
class IdIndex {
public:
    struct Node {
        std::uint64_t id;
        Node* next;
    };

    std::size_t size() const noexcept { return size_; }
    Node* find(std::uint64_t id) const noexcept {
        if (buckets_.empty()) return nullptr;
        Node* node = buckets_[place(id)];
        while (node && node->id != id) node = node->next;
        return node;
    }
    // Strong exception guarantee: throws only before any change.
    void insert(Node& node) {
        if (size_ >= buckets_.size()) grow();
        link(node);
        ++size_;
    }
    Node* remove(std::uint64_t id) noexcept {
        if (buckets_.empty()) return nullptr;
        for (Node** at = &buckets_[place(id)]; *at; at = &(*at)->next)
            if ((*at)->id == id) {
                --size_;
                return std::exchange(*at, (*at)->next);
            }
        return nullptr;
    }
    Node* any() const noexcept {
        for (Node* node : buckets_)
            if (node) return node;
        return nullptr;
    }
    // Calls f(node) for each node; `f` may remove that node, but no other.
    template <class F>
    void for_each(F f) const {
        for (Node* node : buckets_)
            while (node) f(*std::exchange(node, node->next));
    }

    // All nodes, sorted by id.
    std::vector<Node*> sorted() const;

private:
    std::size_t place(std::uint64_t id) const noexcept {
        return (id * 0x9e3779b97f4a7c15ull >> 32) & (buckets_.size() - 1);
    }
    void link(Node& node) noexcept {
        Node*& first = buckets_[place(node.id)];
        node.next = std::exchange(first, &node);
    }
    void grow() {
        std::vector<Node*> old(buckets_.empty() ? 8 : buckets_.size() * 2);
        old.swap(buckets_);
        for (Node* node : old)
            while (node) link(*std::exchange(node, node->next));
    }
    std::vector<Node*> buckets_;  // the size is a power of two
    std::size_t size_ = 0;
};

// An unordered map from 64-bit ids to values; values keep their address until they are erased. It has a tenth
// of the functions of std::unordered_map, which would cost the compiler a hundred and fifty for each of a
// program's dozen maps.
template <class T>
class IdMap {
public:
    IdMap() = default;
    IdMap(const IdMap&) = delete;
    ~IdMap() { clear(); }

    std::size_t size() const noexcept { return index_.size(); }
    bool empty() const noexcept { return size() == 0; }
    // The value with that id, or null.
    T* find(std::uint64_t id) const noexcept {
        auto* node = static_cast<Node*>(index_.find(id));
        return node ? &node->value : nullptr;
    }
    // An arbitrary value; null if the map is empty.
    T* any() const noexcept {
        auto* node = static_cast<Node*>(index_.any());
        return node ? &node->value : nullptr;
    }
    // The value with that id; inserts T{} if there was none.
    T& operator[](std::uint64_t id) {
        if (T* found = find(id)) return *found;
        auto* node = new Node{{id, nullptr}, T{}};
        try {
            index_.insert(*node);
        } catch (...) {
            delete node;
            throw;
        }
        return node->value;
    }
    bool erase(std::uint64_t id) noexcept {
        auto* node = static_cast<Node*>(index_.remove(id));
        delete node;
        return node != nullptr;
    }
    void clear() noexcept {
        index_.for_each([](IdIndex::Node& node) { delete static_cast<Node*>(&node); });
        index_ = {};
    }
    // Calls `f(id, value)` for each value; `f` may erase that one, but no other.
    template <class F>
    void for_each(F f) const {
        index_.for_each([&f](IdIndex::Node& node) { f(node.id, static_cast<Node&>(node).value); });
    }
    // The same in ascending order of ids, for output that people read and for processing by age.
    template <class F>
    void for_each_in_order(F f) const {
        for (IdIndex::Node* node : index_.sorted()) f(node->id, static_cast<Node*>(node)->value);
    }

private:
    struct Node : IdIndex::Node {
        T value;
    };
    IdIndex index_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/base/detail/impl/id_map.ipp>
#endif
