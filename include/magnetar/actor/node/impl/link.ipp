#pragma once
#include <magnetar/actor/node/link.hpp>

#include <fmt/core.h>

#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/core/known_names.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/identity.hpp>
#include <magnetar/actor/node/incoming_call.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/job.hpp>
#include <magnetar/loop/clock.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

inline FrameRules frame_rules() noexcept {
    constexpr std::size_t largest_packet = std::size_t{64} << 20;
    std::size_t largest = wire_form == WireForm::json ? JsonFormat::largest_text : largest_packet;
    return {Masking::forbidden, largest, largest};
}

MAGNETAR_DECL Link::Link(Node& node, EventLoop& loop, UniqueFd fd, std::uint32_t peer, std::uint64_t number)
    : node_(node),
      peer_(peer),
      number_(number),
      transport_(loop, std::move(fd)),
      decoder_(frame_rules()),
      session_(loop, out_, peer) {
    // Two workers that both paused reading would wait forever, hence the time limit. The arbiter needs none:
    // its workers never pause reading from it.
    constexpr auto longest = std::chrono::seconds(10);
    if (peer_ != 0) transport_.limit(most_unread, this_node == 0 ? LoopClock::duration::max() : longest);
}

MAGNETAR_DECL Task<> Link::serve() {
    try {
        co_await transport_.run(*this);
    } catch (const std::exception& error) {
        Logger(fmt::format("link to {}", peer_ ? name_or_id(root_id(peer_)) : "the arbiter"))
            .error("{}", error.what());
    }
    out_.close();
    session_.close();
    transport_.close();
}

MAGNETAR_DECL void Link::introduce(std::uint32_t third, UniqueFd fd) {
    out_.append(Introduction{third});
    transport_.pass(std::move(fd));
}

MAGNETAR_DECL bool Link::received(std::span<const std::byte> bytes, std::vector<UniqueFd> descriptors) {
    // Only the master sends descriptors. An empty one stands for one that this process had no room for.
    if (peer_ == 0)
        for (UniqueFd& fd : descriptors) received_.push_back(std::move(fd));
    decoder_.feed(bytes);
    // All processes of an application use one wire form; messages in the other are refused.
    const Opcode form = wire_form == WireForm::json ? Opcode::text : Opcode::binary;
    while (auto frame = decoder_.next()) {
        if (frame->opcode == form) [[likely]]
            read(*frame);
        else if (frame->opcode == Opcode::close) return false;
        else if (frame->opcode == Opcode::binary || frame->opcode == Opcode::text)
            throw FrameError(CloseCode::unsupported_data, "link: a message in another wire form");
    }
    return true;
}

inline void Link::read(const WebSocketMessage& frame) {
    if (frame.opcode == Opcode::text) take(JsonFormat::read(frame.text(), session_, encoded_));
    else if (CallOnWire call; BinaryFormat::read(frame.payload, call)) take(call);
    else take(BinaryFormat::read(frame.payload));
}

MAGNETAR_DECL void Link::take(LinkMessage message) {
    if (auto* hello = std::get_if<Hello>(&message)) return session_.take(*hello);
    check_handshake();
    std::visit(
        [this]<class Message>(Message& one) {
            if constexpr (requires { session_.take(one); }) session_.take(one);
            else take(one);
        },
        message);
}

MAGNETAR_DECL void Link::take(CallOnWire& call) {
    check_handshake();
    if (call.misfit) {
        if (call.tell) std::rethrow_exception(call.misfit);
        return session_.answer_error(call.id, call.misfit);
    }
    auto& table = command_table();
    if (call.command >= table.size())
        throw FrameError(CloseCode::protocol_error, "link: a command that does not exist");
    if (call.target.where.node() != this_node)
        throw FrameError(CloseCode::protocol_error, "link: a message for another node");
    const CommandEntry& command = *table[call.command];
    check_sender(call.sender);
    check_reach(command, call.target.id);
    session_.admit(call, command.system, weight_of(call.arguments.size()));
    (new IncomingCall(number_, command, call))->deliver();
}

// The checks are inline, as every message passes them.

inline void Link::check_handshake() const {
    if (!session_.handshake_done()) throw FrameError(CloseCode::protocol_error, "link: no hello");
}

inline void Link::check_sender(Address& sender) const {
    // The link identifies the sending process; a message without a sender id gets that process's location.
    if (!sender.id) sender.where = Location(peer_, 0, 0);
    else if (sender.where.node() != peer_ || !node_.may_be_of(sender.id, peer_))
        throw FrameError(CloseCode::protocol_error, "link: a message in the name of another process");
}

inline void Link::check_reach(const CommandEntry& command, ActorId target) const {
    bool allowed = true;
    switch (command.reach) {
        case Reach::anyone:
            return;
        case Reach::first_actor:
            allowed = !node_.main_actor || target == node_.main_actor->id();
            break;
        case Reach::from_arbiter:
            allowed = peer_ == 0;
            break;
        case Reach::nobody:
            allowed = false;
            break;
    }
    if (!allowed)
        throw FrameError(CloseCode::protocol_error,
                         fmt::format("link: the peer may not send the command {}", command.name).c_str());
}

MAGNETAR_DECL void Link::take(const Introduction& introduction) {
    std::uint32_t third = introduction.node;
    if (peer_ != 0 || third == this_node)
        throw FrameError(CloseCode::protocol_error, "link: invalid introduction");
    UniqueFd fd;
    if (!received_.empty()) {
        fd = std::move(received_.front());
        received_.pop_front();
    }
    // The present link and its successor: more would only use up descriptors.
    if (fd && node_.links_to(third) >= 2) return;
    if (fd) node_.connect(third, std::move(fd)).detach();
    else node_.no_descriptor_for(third);
}

MAGNETAR_DECL void Link::take(const NodeEnd& end) {
    if (peer_ != 0 || end.node == 0)
        throw FrameError(CloseCode::protocol_error, "link: a notification that only the arbiter may send");
    node_.peer_ended(end.node);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
