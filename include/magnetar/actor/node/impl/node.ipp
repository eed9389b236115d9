#pragma once
#include <magnetar/actor/node/node.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/core/known_names.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/core/reject.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/messaging/node_call.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/actor/node/incoming_call.hpp>
#include <magnetar/actor/node/remote_routes.hpp>
#include <magnetar/actor/supervision/framework_commands.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/actor/watch.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/base/detail/queue.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/base/unique_fd.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/listener.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Task<> Node::ask_for_link(Node& node, std::uint32_t peer) {
    std::string reason;
    try {
        // This process's first actor is the caller. The link arrives before the answer. If calls still wait
        // then, the two nodes had a link before and lost it: they get another.
        bool lives = co_await make_request<introduce_nodes>(node.arbiter, peer, false);
        // (If a link came and has ended already, no call waits any more.)
        bool waiting = node.connecting_.find(peer) != nullptr;
        if (lives && waiting) co_await make_request<introduce_nodes>(node.arbiter, peer, true);
    } catch (const std::exception& error) {
        reason = error.what();
    }
    node.give_up(peer, reason);
}

MAGNETAR_DECL Job<> Node::connect(std::uint32_t peer, UniqueFd fd) {
    auto number = ++last_link_;
    auto link = make_owned<Link>(*this, loop_, std::move(fd), peer, number);
    if (!link_to(peer)) link_to_[peer] = link.get();
    auto& entry = links_[number] = std::move(link);
    Job<> served = loop_.start(serve(*this, number, *entry), nullptr);
    if (auto* waiting = connecting_.find(peer)) {
        auto calls = std::move(*waiting);
        connecting_.erase(peer);
        while (auto* call = static_cast<RemoteCall*>(calls.pop())) send(*call);
    }
    return served;
}

MAGNETAR_DECL Link* Node::link(std::uint64_t number) noexcept {
    auto* found = links_.find(number);
    return found ? found->get() : nullptr;
}

MAGNETAR_DECL Link* Node::link_to(std::uint32_t peer) noexcept {
    Link** found = link_to_.find(peer);
    return found ? *found : nullptr;
}

MAGNETAR_DECL std::size_t Node::links_to(std::uint32_t peer) const noexcept {
    std::size_t count = 0;
    links_.for_each([&](std::uint64_t, auto& link) { count += link->peer() == peer; });
    return count;
}

MAGNETAR_DECL bool Node::may_be_of(ActorId id, std::uint32_t peer) const noexcept {
    if (id == arbiter.id) return peer == 0;
    if (main_actor && id == main_actor->id()) return false;
    Directory* directory = the_supervisor ? the_supervisor->directory : nullptr;
    return !directory || directory->may_change(id, peer);
}

MAGNETAR_DECL bool Node::introduced(std::uint32_t a, std::uint32_t b, bool again) {
    bool& known = introduced_[std::uint64_t{std::min(a, b)} << 32 | std::max(a, b)];
    return !std::exchange(known, true) || again;
}

MAGNETAR_DECL void Node::peer_ended(std::uint32_t peer) {
    links_.for_each([&](std::uint64_t, auto& link) {
        if (link->peer() == peer) link->shut_down();
    });
    part(peer);
}

MAGNETAR_DECL void Node::expel(std::uint32_t peer, std::string_view reason) {
    Logger("magnetar").error("the link to {} ends: {}", name_or_id(root_id(peer)), reason);
    links_.for_each([&](std::uint64_t, auto& link) {
        if (link->peer() == peer) link->shut_down();
    });
}

MAGNETAR_DECL void Node::no_descriptor_for(std::uint32_t peer) {
    Logger("magnetar")
        .error("no free descriptor for a link to {}: messages between the two processes fail",
               name_or_id(root_id(peer)));
    without_descriptor_[peer] = true;
}

MAGNETAR_DECL void Node::send(RemoteCall& call) {
    std::uint32_t peer = call.target.where.node();
    if (Link* to = link_to(peer)) {
        to->session().send(call);
        return;
    }
    if (this_node == 0 || peer == 0) {  // the master has a link to every living node
        unreachable(call);
        return;
    }
    bool first = !connecting_.find(peer);
    connecting_[peer].push(call);
    if (first) loop_.start(ask_for_link(*this, peer), core_if(main_actor)).detach();
}

MAGNETAR_DECL void Node::give_up(std::uint32_t peer, std::string_view reason) {
    if (without_descriptor_.erase(peer)) reason = "this process has no free descriptor";
    auto* waiting = connecting_.find(peer);
    if (!waiting) return;
    auto calls = std::move(*waiting);
    connecting_.erase(peer);
    while (auto* call = static_cast<RemoteCall*>(calls.pop())) unreachable(*call, reason);
}

MAGNETAR_DECL Task<> Node::flushed() {
    auto idle = [this] {
        bool all = true;
        links_.for_each([&](std::uint64_t, auto& link) { all = all && link->idle(); });
        return all;
    };
    auto deadline = loop_.now() + std::chrono::seconds(1);
    for (int round = 0; !idle() && loop_.now() < deadline; ++round) {
        if (round < 8) co_await yield();
        else co_await sleep(std::chrono::milliseconds(1));
    }
}

MAGNETAR_DECL void Node::unreachable(RemoteCall& call, std::string_view reason) {
    auto command = command_table()[call.command]->name;
    call.error = reason.empty() ? reject_error(RejectReason::not_found, call.target.id, command)
                                : no_link_error(call.target.id, command, reason);
    call.finish();
}

MAGNETAR_DECL Task<> Node::serve(Node& node, std::uint64_t number, Link& link) {
    std::uint32_t peer = link.peer();
    co_await link.serve();
    if (node.link_to(peer) == &link) node.link_to_.erase(peer);
    node.links_.erase(number);
    node.part(peer);
    if (node.link_ended) node.link_ended(node, peer);
}

MAGNETAR_DECL void Node::part(std::uint32_t peer) {
    introduced_.for_each([&](std::uint64_t pair, bool) {
        auto low = static_cast<std::uint32_t>(pair >> 32), high = static_cast<std::uint32_t>(pair);
        if (low != peer && high != peer) return;
        introduced_.erase(pair);
        if (Link* other = link_to(low == peer ? high : low)) other->tell_end_of(peer);
    });
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
