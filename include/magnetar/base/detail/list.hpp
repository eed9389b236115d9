#pragma once
#include <cstddef>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

/// A node of a `List`: derive from it. Its destructor unlinks it. Not thread safe.
class ListNode {
public:
    ListNode() noexcept = default;
    ListNode(const ListNode&) = delete;
    ListNode& operator=(const ListNode&) = delete;
    ~ListNode() { unlink(); }

    /// True while the node is in a list.
    bool linked() const noexcept { return next_ != nullptr; }
    /// Removes the node from its list; no effect if it is in none.
    void unlink() noexcept {
        if (!next_) return;
        prev_->next_ = next_;
        next_->prev_ = prev_;
        prev_ = next_ = nullptr;
    }

private:
    template <class T, class Tag>
    friend class List;
    ListNode* prev_ = nullptr;
    ListNode* next_ = nullptr;
};

/// A node that can be in several lists at once, one for each tag.
template <class Tag>
class TaggedNode : public ListNode {};

/// A doubly linked list of objects that derive from ListNode (or from TaggedNode<Tag>). It owns nothing and
/// allocates nothing; every operation is O(1). Not thread safe.
template <class T, class Tag = void>
class List {
public:
    List() noexcept { head_.prev_ = head_.next_ = &head_; }
    List(const List&) = delete;
    List& operator=(const List&) = delete;
    ~List() {
        while (!empty()) head_.next_->unlink();
        head_.next_ = nullptr;
    }

    bool empty() const noexcept { return head_.next_ == &head_; }
    /// The first element; the list must not be empty.
    T& front() noexcept { return *from(head_.next_); }
    T& back() noexcept { return *from(head_.prev_); }
    void push_back(T& element) noexcept { insert(to(element), &head_); }
    void push_front(T& element) noexcept { insert(to(element), head_.next_); }
    /// Removes and returns the first element; null if the list is empty.
    T* pop_front() noexcept {
        if (empty()) return nullptr;
        T* first = from(head_.next_);
        head_.next_->unlink();
        return first;
    }
    /// Calls `f(element)` for each element; `f` may unlink that element, but no other.
    template <class F>
    void for_each(F&& f) {
        for (ListNode* node = head_.next_; node != &head_;) {
            ListNode* next = node->next_;
            f(*from(node));
            node = next;
        }
    }
    /// Number of elements. O(n).
    std::size_t size() const noexcept {
        std::size_t count = 0;
        for (const ListNode* node = head_.next_; node != &head_; node = node->next_) ++count;
        return count;
    }

private:
    template <class U, class G>
    struct NodeOf {
        using type = TaggedNode<G>;
    };
    template <class U>
    struct NodeOf<U, void> {
        using type = ListNode;
    };
    using Node = typename NodeOf<T, Tag>::type;
    static ListNode* to(T& element) noexcept { return static_cast<Node*>(&element); }
    static T* from(ListNode* node) noexcept { return static_cast<T*>(static_cast<Node*>(node)); }
    static void insert(ListNode* node, ListNode* before) noexcept {
        node->next_ = before;
        node->prev_ = before->prev_;
        before->prev_->next_ = node;
        before->prev_ = node;
    }
    ListNode head_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
