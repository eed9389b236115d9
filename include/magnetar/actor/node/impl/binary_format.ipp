#pragma once
#include <magnetar/actor/node/binary_format.hpp>

#include <utility>
#include <variant>

#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

inline void put(Writer& out, BinaryFormat::Packet packet) { out.put(static_cast<std::uint8_t>(packet)); }
template <class T>
std::byte* store(std::byte* to, T number) noexcept {
    store_little(to, number);
    return to + sizeof number;
}
// Size of the fixed fields of a request or tell: its id, its command, two addresses.
inline constexpr std::size_t call_size = 8 + 4 + 2 * 16;
inline std::byte* store(std::byte* to, const Address& address) noexcept {
    return store(store(to, address.id.value), address.where.to_wire());
}
inline Address load_address(const std::byte* from) noexcept {
    return {{load_little<std::uint64_t>(from)}, Location::from_wire(load_little<std::uint64_t>(from + 8))};
}

MAGNETAR_DECL void BinaryFormat::write(Writer& out, const Hello& hello) {
    put(out, Packet::hello);
    encode(out, hello);
}
MAGNETAR_DECL void BinaryFormat::write(Writer& out, const CallOnWire& call) {
    std::byte* to = nullptr;
    if (call.left != call.left.zero() || call.chain) [[unlikely]] {
        put(out, Packet::termed_request);
        encode(out, call.left);
        encode(out, call.chain ? *call.chain : CallChain());
        to = out.extend(call_size);
    } else {
        to = out.extend(sizeof(Packet) + call_size);
        to = store(to, static_cast<std::uint8_t>(call.tell ? Packet::tell : Packet::request));
    }
    to = store(to, call.id);
    to = store(to, call.command);
    to = store(to, call.target);
    store(to, call.sender);
    out.append(call.arguments);
}
MAGNETAR_DECL void BinaryFormat::write(Writer& out, const AnswerOnWire& answer) {
    put(out, Packet::answer);
    out.put(answer.id);
    out.append(answer.result);
}
MAGNETAR_DECL void BinaryFormat::write(Writer& out, const FailureOnWire& failure) {
    put(out, Packet::error);
    out.put(failure.id);
    encode(out, failure.error);
}
MAGNETAR_DECL void BinaryFormat::write(Writer& out, const Credit& credit) {
    put(out, Packet::credit);
    out.put(credit.target);
    out.put(credit.count);
    out.put(credit.bytes);
}
MAGNETAR_DECL void BinaryFormat::write(Writer& out, const Introduction& introduction) {
    put(out, Packet::peer);
    out.put(introduction.node);
}
MAGNETAR_DECL void BinaryFormat::write(Writer& out, const NodeEnd& end) {
    put(out, Packet::gone);
    out.put(end.node);
}

MAGNETAR_DECL bool BinaryFormat::read(std::span<const std::byte> payload, CallOnWire& call) {
    Reader reader(payload);
    auto packet = static_cast<Packet>(reader.get<std::uint8_t>());
    if (packet == Packet::termed_request) {
        call.left = decode<std::chrono::nanoseconds>(reader);
        auto chain = decode<CallChain>(reader);
        if (!chain.empty()) call.chain.reset(new CallChain(std::move(chain)));
    } else if (packet != Packet::request && packet != Packet::tell) {
        return false;
    }
    call.tell = packet == Packet::tell;
    const std::byte* from = reader.take(call_size);
    call.id = load_little<std::uint64_t>(from);
    call.command = load_little<std::uint32_t>(from + 8);
    call.target = load_address(from + 12);
    call.sender = load_address(from + 28);
    call.arguments = reader.rest();
    return true;
}

MAGNETAR_DECL LinkMessage BinaryFormat::read(std::span<const std::byte> payload) {
    Reader reader(payload);
    switch (static_cast<Packet>(reader.get<std::uint8_t>())) {
        case Packet::hello:
            return decode<Hello>(reader);
        case Packet::request:
        case Packet::tell:
        case Packet::termed_request: {
            CallOnWire call;
            read(payload, call);
            return call;
        }
        case Packet::answer: {
            auto id = reader.get<std::uint64_t>();
            return AnswerOnWire{id, 0, reader.rest()};
        }
        case Packet::error: {
            auto id = reader.get<std::uint64_t>();
            return FailureOnWire{id, decode<ErrorOnWire>(reader)};
        }
        case Packet::credit: {
            auto target = reader.get<std::uint64_t>();
            auto count = reader.get<std::uint32_t>();
            return Credit{target, count, reader.get<std::uint64_t>()};
        }
        case Packet::peer:
            return Introduction{reader.get<std::uint32_t>()};
        case Packet::gone:
            return NodeEnd{reader.get<std::uint32_t>()};
    }
    throw FrameError(CloseCode::protocol_error, "link: a packet of an unknown kind");
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
