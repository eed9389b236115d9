#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// What an IdMap is apart from its values: chains of nodes by a hash of their ids.
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
    // May throw only before it has changed anything.
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
    // Calls f(node) for each; the node may be removed by it, others not.
    template <class F>
    void for_each(F f) const {
        for (Node* node : buckets_)
            while (node) f(*std::exchange(node, node->next));
    }

    // All nodes, by their ids.
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
    std::vector<Node*> buckets_;  // a power of two of them
    std::size_t size_ = 0;
};

// Values by 64-bit numbers, in no order; they stay where they are until they are erased. What
// std::unordered_map is, for a tenth of its functions: each of a program's dozen maps would cost compilers a
// hundred and fifty.
template <class T>
class IdMap {
public:
    IdMap() = default;
    IdMap(const IdMap&) = delete;
    ~IdMap() { clear(); }

    std::size_t size() const noexcept { return index_.size(); }
    bool empty() const noexcept { return size() == 0; }
    // The value of that id, or null.
    T* find(std::uint64_t id) const noexcept {
        auto* node = static_cast<Node*>(index_.find(id));
        return node ? &node->value : nullptr;
    }
    // Any of them; null when there is none.
    T* any() const noexcept {
        auto* node = static_cast<Node*>(index_.any());
        return node ? &node->value : nullptr;
    }
    // The value of that id, which is T{} if there was none.
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
    // Calls `f(id, value)` for each; it may erase that one, and no other.
    template <class F>
    void for_each(F f) const {
        index_.for_each([&f](IdIndex::Node& node) { f(node.id, static_cast<Node&>(node).value); });
    }
    // The same in the order of their ids, for what people see or what goes by age.
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
