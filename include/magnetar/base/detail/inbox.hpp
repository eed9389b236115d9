#pragma once
#include <atomic>
#include <cstdint>

#include <magnetar/base/detail/queue.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

/// A lock-free multi-producer, single-consumer queue: any thread pushes, one thread takes all elements, in
/// push order. Elements are objects with a public member `T* next`; the inbox owns none of them. After it is
/// closed, it refuses every push, so no element is left in an inbox that is no longer read. (A Treiber stack,
/// emptied as a whole and reversed.)
template <class T>
class Inbox {
public:
    /// Adds the elements from `first` to `last`, linked by `next`, newest first (`last` is the oldest).
    /// False when the inbox is closed: the caller still owns the elements.
    bool push_chain(T& first, T& last) noexcept {
        T* head = head_.load(std::memory_order_relaxed);
        do {
            if (head == closed_mark()) return false;
            last.next = head;
        } while (
            !head_.compare_exchange_weak(head, &first, std::memory_order_seq_cst, std::memory_order_relaxed));
        return true;
    }
    /// Adds one element. False when the inbox is closed.
    bool push(T& element) noexcept { return push_chain(element, element); }

    /// True when there is nothing to take; may be called on any thread.
    bool empty() const noexcept {
        T* head = head_.load(std::memory_order_seq_cst);
        return !head || head == closed_mark();
    }
    /// Takes all elements, oldest first. Owner thread only.
    Queue<T> take() noexcept {
        T* head = head_.load(std::memory_order_relaxed);
        if (!head || head == closed_mark()) return {};
        return reversed(head_.exchange(nullptr, std::memory_order_acquire));
    }
    /// Refuses all further pushes and takes the remaining elements. Owner thread only.
    Queue<T> close() noexcept {
        T* head = head_.exchange(closed_mark(), std::memory_order_acq_rel);
        return head == closed_mark() ? Queue<T>{} : reversed(head);
    }
    /// Accepts pushes again after `close`.
    void open() noexcept {
        T* mark = closed_mark();
        head_.compare_exchange_strong(mark, nullptr);
    }

private:
    static T* closed_mark() noexcept { return reinterpret_cast<T*>(std::uintptr_t{1}); }
    static Queue<T> reversed(T* newest) noexcept {
        Queue<T> queue;
        while (newest) {
            T* older = newest->next;
            queue.push_front(*newest);
            newest = older;
        }
        return queue;
    }
    std::atomic<T*> head_{nullptr};
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
