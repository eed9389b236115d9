#pragma once
#include <exception>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

bool is_cancelled(const std::exception_ptr& error);

class Children;

// A job owned by the coroutine that awaits it.
struct ChildBase : JobBase, TaggedNode<Children> {
    explicit ChildBase() noexcept : JobBase(current_job()->scheduler(), current_job()->actor()) {
        set_originator(current_job()->originator());
        limit_requests(current_job()->request_deadline());
    }
    virtual std::exception_ptr error() const noexcept = 0;
    virtual void forget() noexcept {}  // its parent no longer needs it
    virtual ~ChildBase() = default;
    Children* parent = nullptr;
};

template <class T>
struct Child : ChildBase {
    explicit Child(Task<T> t) noexcept : task(std::move(t)) {}
    std::exception_ptr error() const noexcept override { return task.outcome().error(); }
    Task<T> task;
};

// The children of one coroutine, awaited together: the coroutine resumes when the last child has ended, in
// every case. The common base of when_all, when_any, task groups and timeouts; they differ in the rule that
// cancels the remaining children.
class Children final : public Waiter {
public:
    enum class CancelRest { on_failure, on_first };
    Children(std::string_view what, CancelRest rule) noexcept : what_(what), rule_(rule) {}

    // Runs the child up to its first suspension; drops it unstarted when the others are already being
    // cancelled.
    template <class T>
    void start(Child<T>& child) {
        if (ending()) {
            dropped_ = dropped_ || cancel_requested_;
            child.forget();
            return;
        }
        child.parent = this;
        list_.push_back(child);
        child.JobBase::start(child.task.handle(), [](JobBase& job) {
            auto& self = static_cast<ChildBase&>(job);
            self.parent->ended(self);
        });
        if (child.completed()) ended(child);
    }

    std::string_view what() const noexcept override { return what_; }
    bool await_ready() const noexcept { return list_.empty(); }
    bool await_suspend(Suspension leaf) noexcept;
    // Throws Cancelled when a child lost its result to cancellation, otherwise the first failure of a child.
    // A result or failure that arrived in spite of the cancellation is kept, and the cancellation applies to
    // the job's next operation.
    void await_resume();
    void cancel_children() noexcept;
    // Cancels the children; their ending with Cancelled is not a failure.
    void stop() noexcept;
    ChildBase* first() const noexcept { return first_; }

private:
    bool settled() const noexcept {
        return rule_ == CancelRest::on_first ? first_ != nullptr : bool(failure_);
    }
    // The children are being cancelled: a child that ends with Cancelled now does not count as a failure.
    bool ending() const noexcept { return settled() || stopped_ || cancel_requested_; }
    void ended(ChildBase& child) noexcept;
    void request_cancel() noexcept override;

    List<ChildBase, Children> list_;
    std::string_view what_;
    CancelRest rule_;
    bool stopped_ = false, cancel_requested_ = false;
    bool dropped_ = false;  // cancel_requested_ made a child lose its result
    std::exception_ptr failure_;
    ChildBase* first_ = nullptr;
};

template <class T>
using OrMonostate = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
OrMonostate<T> result_of(Child<T>& child) {
    if constexpr (std::is_void_v<T>) return child.task.outcome().get(), std::monostate{};
    else return child.task.outcome().get();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/coro/detail/impl/children.ipp>
#endif
