#pragma once
#include <vector>

#include <magnetar/actor/arbiter.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/testing/random.hpp>
#include <magnetar/testing/trace.hpp>

namespace magnetar::inline MAGNETAR_MODE::testing::detail {

// Makes a loop run ready jobs and actors, whose order is unspecified, in random order. Other work, such as
// posted functions, keeps its order. It stands in the ready queue itself, behind the work that it has
// shuffled: work that becomes ready meanwhile is shuffled next, and `yield` still lets all other work run
// first.
class Shuffle final : public Runnable, public Poller {
public:
    Shuffle(EventLoop& loop, Random& random, Trace& trace) noexcept
        : Runnable([](Runnable& self) {
              auto& shuffle = static_cast<Shuffle&>(self);
              shuffle.queued_ = false;
              shuffle.deal();
          }),
          loop_(loop),
          random_(random),
          trace_(trace) {
        loop.add(*this);
    }
    ~Shuffle() {
        if (queued_) loop_.ready.remove(*this);
    }

    bool poll() noexcept override {
        if (!queued_) deal();
        return false;
    }
    bool fall_asleep() noexcept override { return true; }
    void awake() noexcept override {}

private:
    void deal() noexcept {
        if (loop_.ready.empty()) return;
        while (Runnable* work = loop_.ready.pop()) {
            (may_move(*work) ? movable_ : fixed_).push_back(work);
            places_.push_back(may_move(*work));
        }
        random_.shuffle(movable_);
        random_.shuffle(places_);
        auto moved = movable_.begin(), kept = fixed_.begin();
        for (bool moves : places_) loop_.ready.push(**(moves ? moved++ : kept++));
        trace_.add(loop_.now(), "ready", movable_.size(), fixed_.size());
        movable_.clear();
        fixed_.clear();
        places_.clear();
        queued_ = true;
        loop_.ready.push(*this);
    }
    static bool may_move(const Runnable& work) noexcept {
        return JobBase::is_job(work) || work.run == &magnetar::detail::ActorCore::run;
    }

    EventLoop& loop_;
    Random& random_;
    Trace& trace_;
    bool queued_ = false;
    std::vector<Runnable*> movable_, fixed_;
    std::vector<char> places_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::testing::detail
