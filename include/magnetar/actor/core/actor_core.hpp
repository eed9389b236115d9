#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <string_view>
#include <type_traits>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/wait_until.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Blocks of ids of this process. The first is never given out: the processes' first actors have their ids there.
inline constinit std::atomic<std::uint64_t> id_blocks{0};
// Fresh ids for the actors of this thread: blocks are drawn from a counter of the process, whose number
// stands in the high bits, so that no two processes of an application ever make the same. The counter begins
// anew after 2^40 ids and never reaches into another process's.
ActorId fresh_id() noexcept;
// The first actor of a host.
ActorId root_id(std::uint32_t host) noexcept;

// For a new arbiter or simulation: empties the registry of how actors have ended.
void forget_exits();

// The life of an actor on its loop: receiving, running, ending.
struct ActorAccess {
    // ---- mailbox

    // Takes the message, or refuses it.
    static Receipt receive(Actor<>& self, Message& message) noexcept;
    static void wake(Actor<>& self) noexcept;
    // Whether a sender would have to wait for room.
    static bool would_wait(const Actor<>& self) noexcept {
        return self.mailbox_.full() && self.mailbox_.policy() == Overflow::wait;
    }
    static bool withdraw(Actor<>& self, Message& message) noexcept { return self.mailbox_.remove(message); }

    static void run(Runnable& runnable);

    // ---- beginning

    // Runs the start hook; throws what it throws.
    static Task<> start(Actor<>& self);
    static void running(Actor<>& self) noexcept;
    static void run_periodic_task(Actor<>& self);

    // ---- end

    static void stop(Actor<>& self, int code) noexcept;
    // Ends it without finishing what it has accepted: those requests fail with ActorLost.
    static void exit(Actor<>& self, int code) noexcept;
    // An exception that no one awaits: logged, or the end of the actor.
    static void unhandled(Actor<>& self, const std::exception_ptr& error, std::string_view where) noexcept;
    static bool ends_actor(const std::exception_ptr& error) noexcept;

    static void command_started(Actor<>& self) noexcept { ++self.commands_; }
    static void command_ended(Actor<>& self) noexcept;

    // Waits for the end of an actor on this loop.
    static Task<ExitStatus> closed(Actor<>& self);

    // ---- what others may see

    static Extras& extras(Actor<>& self) { return self.extras(); }
    static List<Actor<>, Siblings>& children(Actor<>& self) noexcept { return self.children_; }
    static const Extras* extras_if(const Actor<>& self) noexcept { return self.extras_.get(); }
    static Mailbox& mailbox(Actor<>& self) noexcept { return self.mailbox_; }
    static Address address(const Actor<>& self) noexcept { return self.address(); }
    static const void* state_tag(const Actor<>& self) noexcept { return self.state_tag(); }
    static bool stand_in(Actor<>& self, const CommandEntry& command, void* arguments, void* outcome) {
        return self.stand_in(command, arguments, outcome);
    }
    static std::uint32_t commands(const Actor<>& self) noexcept { return self.commands_; }
    static LoopClock::time_point started(const Actor<>& self) noexcept { return self.started_; }
    static void add_info(const Actor<>& self, Json& info) { self.add_info(info); }
    static bool serial(const Actor<>& self) noexcept { return self.serial_; }
    static bool is_late(const Actor<>& self, const CallTerms& terms) noexcept;
    static bool lost(const Actor<>& self) noexcept { return self.lost_; }
    // It hung for so long that its manager has given it up.
    static bool revoked(const Actor<>& self) noexcept { return self.cell_->revoked(); }

    template <class State, class... A>
    static Actor<>* make(const ActorSettings& settings, EventLoop& loop, ActorId id, Pack<A...>& arguments) {
        if constexpr (std::is_void_v<State>) return new Actor<>(settings, loop, id);
        else return new Actor<State>(settings, loop, id, arguments);
    }
    // A light actor belongs to its spawner and ends with it.
    static void adopt(Actor<>& parent, Actor<>& child);
    static Actor<>* parent(const Actor<>& self) noexcept { return self.parent_; }
    static void destroy(Actor<>& self) noexcept { delete &self; }
    static void give_back_cell(Actor<>& self) noexcept { cell_table(this_loop).give_back(*self.cell_); }

private:
    static Message* next(Actor<>& self) noexcept;
    static Receipt overflow(Actor<>& self, Message& message) noexcept;

    static Task<> periodic(Actor<>& self);

    static bool idle(const Actor<>& self) noexcept { return self.mailbox_.empty() && self.commands_ == 0; }
    static void quiet(Actor<>& self) noexcept {
        if (self.extras_) self.extras_->quiet.set();
    }
    // At the end of a turn of a stopping actor: ends at once what has nothing left to do, else begins the
    // closing.
    static void settle(Actor<>& self);
    static Task<> stopping_hook(Actor<>& self);
    template <class Condition>
    static Task<bool> until_quiet(Actor<>& self, LoopClock::time_point deadline, Condition holds) {
        return until(*self.loop_, self.extras_->quiet, deadline, [&self, holds] { return holds(self); });
    }
    // Stopping, draining, forcing.
    static Task<> closing(Actor<>& self);
    static void lose_messages(Actor<>& self) noexcept;
    // The last of an actor: afterwards only its status is left. A light actor deletes itself; others belong
    // to their thread's main.
    static void finish(Actor<>& self) noexcept;
    // Before anybody can hear that it has ended: who does may use its name again.
    static Task<> deregister(Actor<>& self);
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {}  // namespace magnetar::inline MAGNETAR_MODE
