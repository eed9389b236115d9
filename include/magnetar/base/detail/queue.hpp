#pragma once
#include <utility>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

/// A first-in first-out queue of objects that have a public member `T* next`. It owns nothing. Not thread
/// safe.
template <class T>
class Queue {
public:
    Queue() noexcept = default;
    Queue(Queue&& other) noexcept
        : head_(std::exchange(other.head_, nullptr)), tail_(std::exchange(other.tail_, nullptr)) {}
    Queue& operator=(Queue&& other) noexcept {
        head_ = std::exchange(other.head_, nullptr);
        tail_ = std::exchange(other.tail_, nullptr);
        return *this;
    }

    bool empty() const noexcept { return !head_; }
    /// The first and the last element; null if the queue is empty.
    T* front() const noexcept { return head_; }
    T* back() const noexcept { return head_ ? tail_ : nullptr; }
    void push(T& element) noexcept {
        element.next = nullptr;
        if (head_) tail_->next = &element;
        else head_ = &element;
        tail_ = &element;
    }
    void push_front(T& element) noexcept {
        element.next = head_;
        if (!head_) tail_ = &element;
        head_ = &element;
    }
    /// Removes and returns the first element; null if the queue is empty.
    T* pop() noexcept {
        T* first = head_;
        if (first) head_ = first->next;
        return first;
    }
    /// Appends all elements of `other`.
    void append(Queue&& other) noexcept {
        if (other.empty()) return;
        if (head_) tail_->next = other.head_;
        else head_ = other.head_;
        tail_ = other.tail_;
        other.head_ = nullptr;
    }
    /// Removes `element` from any position: O(n). False if it is not in this queue.
    bool remove(T& element) noexcept {
        T* before = nullptr;
        for (T* at = head_; at; before = at, at = at->next) {
            if (at != &element) continue;
            if (before) before->next = at->next;
            else head_ = at->next;
            if (tail_ == at) tail_ = before;
            return true;
        }
        return false;
    }

private:
    T* head_ = nullptr;
    T* tail_ = nullptr;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
