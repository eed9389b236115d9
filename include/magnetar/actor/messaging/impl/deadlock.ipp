#pragma once
#include <magnetar/actor/messaging/deadlock.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Longer than any cycle in real programs; a longer probe is dropped.
inline constexpr std::size_t longest_chain = 64;

template <class F>
void for_each_command(Actor<>& actor, F f) {
    core_of(actor).jobs.for_each([&](JobBase& job) {
        if (auto* command = dynamic_cast<CommandJobBase*>(&job)) f(*command);
    });
}
template <class F>
void for_each_request(Actor<>& actor, const JobBase& command, F f) {
    core_of(actor).jobs.for_each([&](JobBase& job) {
        if (job.originator() != &command) return;
        if (auto* request = dynamic_cast<const Sending*>(job.waiting())) f(*request);
    });
}
// Sends the chain to the targets of all unanswered requests of this command.
MAGNETAR_DECL void follow(Actor<>& actor, CommandJobBase& command, const CallChain& chain) {
    if (chain.size() > longest_chain) return;
    for_each_request(actor, command,
                     [&](const Sending& request) { post_tell<probe_cycle>(request.target(), chain); });
}
// A request queued at a serial actor waits for the command that it runs.
MAGNETAR_DECL void follow_all(Actor<>& actor, const CallChain& chain) {
    for_each_command(actor, [&](CommandJobBase& command) {
        CallChain longer = chain;
        longer.push_back(command.link());
        follow(actor, command, longer);
    });
}

MAGNETAR_DECL bool waits_for_answer(Actor<>& actor, const JobBase& command) {
    bool waits = false;
    for_each_request(actor, command, [&](const Sending&) { waits = true; });
    return waits;
}
MAGNETAR_DECL std::exception_ptr check_chain(Actor<>& actor, const CallChain& chain,
                                             std::string_view command) {
    if (!core_of(actor).is_serial()) return nullptr;
    if (auto cycle = find_cycle(actor, chain, command)) return cycle;
    if (core_of(actor).running_commands() > 0) follow_all(actor, chain);
    return nullptr;
}
MAGNETAR_DECL void probe_cycle(Actor<>& actor, CallChain chain) {
    if (chain.empty()) return;
    auto asked_here = [&asker = chain.back()](const CallChain* callers) {
        return callers && !callers->empty() && callers->back().actor == asker.actor &&
               callers->back().number == asker.number;
    };
    bool serial = core_of(actor).is_serial();
    for_each_command(actor, [&](CommandJobBase& command) {
        if (!asked_here(command.callers())) return;
        CallChain longer = chain;
        if (serial) longer.push_back(command.link());
        follow(actor, command, longer);
    });
    if (!serial) return;
    auto& mailbox = core_of(actor).mailbox();
    for (Message* message = mailbox.first(); message; message = message->next) {
        CallContext* terms = message->call_terms();
        if (!terms || !asked_here(terms->chain.get())) continue;
        if (auto cycle = find_cycle(actor, chain, message->command_name())) {
            mailbox.remove(*message);
            message->fail(std::move(cycle));
        } else {
            follow_all(actor, chain);
        }
        return;
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
