#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include <magnetar/actor/detail/link.hpp>
#include <magnetar/actor/detail/remote_routes.hpp>
#include <magnetar/actor/detail/wire_call.hpp>
#include <magnetar/base/id_map.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// What all loops of a process share: its number, its first actor, and the links to the other hosts. All of it
// belongs to the main loop; other threads reach it through that loop's door.
class Host {
public:
    explicit Host(EventLoop& loop) : loop_(loop) { main_door.store(&loop.door(), std::memory_order_release); }
    Host(const Host&) = delete;
    ~Host() { main_door.store(nullptr, std::memory_order_release); }

    EventLoop& loop() const noexcept { return loop_; }
    // The arbiter, or the actor that this process was made for.
    Actor<>* root = nullptr;
    Address arbiter;

    // Takes over one end of a link and serves it until it ends; the job may be awaited for that.
    Job<> connect(std::uint32_t peer, UniqueFd fd) {
        auto number = ++last_link_;
        auto link = std::make_unique<Link>(*this, loop_, std::move(fd), peer, number);
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
    Link* link(std::uint64_t number) noexcept {
        auto* found = links_.find(number);
        return found ? found->get() : nullptr;
    }
    Link* link_to(std::uint32_t peer) noexcept {
        Link** found = link_to_.find(peer);
        return found ? *found : nullptr;
    }
    // Whether these two hosts are to get a link of their own: the first time, and again when one of them says
    // that it is gone.
    bool introduced(std::uint32_t a, std::uint32_t b, bool again) {
        bool& known = introduced_[std::uint64_t{std::min(a, b)} << 32 | std::max(a, b)];
        return !std::exchange(known, true) || again;
    }
    std::size_t links() const noexcept { return links_.size(); }
    // Whether a message to an actor of that process has a way to go.
    bool reaches(std::uint32_t peer) noexcept {
        return peer == this_host || link_to(peer) || (this_host != 0 && peer != 0);
    }
    // The parent of a process has seen its end, or has heard of it. Its links end now, also when somebody else (a
    // child of its own, say) still holds their other ends; what lies in them is read before.
    void peer_ended(std::uint32_t peer) {
        links_.for_each([&](std::uint64_t, auto& link) {
            if (link->peer() == peer) link->shut_down();
        });
        part(peer);
    }
    // There was no free descriptor for the link that was to lead there.
    void no_descriptor_for(std::uint32_t peer) {
        Logger("magnetar")
            .error("no free descriptor for a link to {}: what the two processes send each other fails",
                   name_or_id(root_id(peer)));
        without_descriptor_[peer] = true;
    }

    // On the main loop: by the link to the target's host, which is made first if need be.
    void send(RemoteCall& call) {
        std::uint32_t peer = call.target.where.host();
        if (Link* to = link_to(peer)) {
            to->send(call);
            return;
        }
        if (this_host == 0 || peer == 0) {  // the master has links to all that live
            unreachable(call);
            return;
        }
        bool first = !connecting_.find(peer);
        connecting_[peer].push(call);
        if (first) loop_.start(ask_for_link(*this, peer), root).detach();
    }
    // The link to `peer` cannot be had: for that reason, or because it lives no more.
    void give_up(std::uint32_t peer, std::string_view reason) {
        if (without_descriptor_.erase(peer)) reason = "this process has no free descriptor";
        auto* waiting = connecting_.find(peer);
        if (!waiting) return;
        auto calls = std::move(*waiting);
        connecting_.erase(peer);
        while (auto* call = static_cast<RemoteCall*>(calls.pop())) unreachable(*call, reason);
    }
    // Returns when all that was to be sent has been; but waits for nobody who does not read.
    Task<> flushed() {
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
    // Set by those who must hear of a link's end: the arbiter of the end of a worker, a worker of that of the
    // master.
    void (*link_ended)(Host&, std::uint32_t peer) = nullptr;

private:
    static void unreachable(RemoteCall& call, std::string_view reason = {}) {
        auto command = command_table()[call.command]->name;
        call.error = reason.empty() ? refusal_error(Refusal::not_found, call.target.id, command)
                                    : no_link_error(call.target.id, command, reason);
        call.finish();
    }
    static Task<> serve(Host& host, std::uint64_t number, Link& link) {
        std::uint32_t peer = link.peer();
        co_await link.serve();
        if (host.link_to(peer) == &link) host.link_to_.erase(peer);
        host.links_.erase(number);
        host.part(peer);
        if (host.link_ended) host.link_ended(host, peer);
    }
    // Tells those to whom `peer` was introduced that it has ended, and forgets it.
    void part(std::uint32_t peer) {
        introduced_.for_each([&](std::uint64_t pair, bool) {
            auto low = static_cast<std::uint32_t>(pair >> 32), high = static_cast<std::uint32_t>(pair);
            if (low != peer && high != peer) return;
            introduced_.erase(pair);
            if (Link* other = link_to(low == peer ? high : low)) other->tell_end_of(peer);
        });
    }
    static inline Task<> ask_for_link(Host& host, std::uint32_t peer);

    EventLoop& loop_;
    IdMap<std::unique_ptr<Link>> links_;  // by its number
    IdMap<Link*> link_to_;                // by the host at its other end
    IdMap<Queue<Runnable>> connecting_;   // what waits for a link, by the same
    IdMap<bool> introduced_;              // by the lower host, and 32 bits below it the other
    IdMap<bool> without_descriptor_;      // hosts to which a link could not be taken
    std::uint64_t last_link_ = 0;
};

// This process's host; set while its main loop runs actors.
inline constinit Host* the_host = nullptr;

inline bool host_runs() noexcept { return the_host != nullptr; }
inline void send_to_host(RemoteCall& call) noexcept {
    EventLoop& here = *EventLoop::current();
    call.origin = &here.door();
    if (is_remote(call.target.where.host())) return send_to_remote(call);
    if (&the_host->loop() == &here) {
        the_host->send(call);
        return;
    }
    call.run = [](Runnable& self) { the_host->send(static_cast<RemoteCall&>(self)); };
    outbox().post(the_host->loop().door(), call);
}

inline bool link_has_room(const Address& target) noexcept {
    if (is_remote(target.where.host())) return remote_has_room(target.where.host());
    if (&the_host->loop() != EventLoop::current()) return true;
    Link* link = the_host->link_to(target.where.host());
    return link ? link->has_room(target.id) : this_host != 0;
}

inline void WireCall::go_back() noexcept {
    run = [](Runnable& self) {
        std::unique_ptr<WireCall> call(&static_cast<WireCall&>(self));
        if (!call->reported_) call->report(call->error_);
    };
    if (!the_host) {
        delete this;
        return;
    }
    Door& main = the_host->loop().door();
    if (main.index() == this_door) run(*this);
    else outbox().post(main, *this);
}

// On the main loop, where links live.
inline void WireCall::report(const std::exception_ptr& error) noexcept {
    Link* link = the_host ? the_host->link(link_) : nullptr;
    if (!link) return;
    if (tell_) {
        if (!entry_.system) link->consumed(target_.id.value);
    } else if (error) link->answer_error(id_, error);
    else link->answer(id_, body_.bytes());
}

inline void Link::accept_call(Reader& reader, bool tell, TermsOnWire terms) {
    auto id = reader.get<std::uint64_t>();
    auto number = reader.get<std::uint32_t>();
    Address target, sender;
    target.id = {reader.get<std::uint64_t>()};
    target.where = Where::from_wire(reader.get<std::uint64_t>());
    sender.id = {reader.get<std::uint64_t>()};
    sender.where = Where::from_wire(reader.get<std::uint64_t>());
    auto& table = command_table();
    if (number >= table.size())
        throw FrameError(CloseCode::protocol_error, "link: a command that does not exist");
    if (target.where.host() != this_host)
        throw FrameError(CloseCode::protocol_error, "link: a message for another host");
    // Who speaks is known by the link.
    if (sender.id && sender.where.host() != peer_)
        throw FrameError(CloseCode::protocol_error, "link: a message in the name of another host");
    auto* call = new WireCall(number_, id, tell, target, *table[number], reader.rest());
    call->sender = sender;
    call->system = table[number]->system;
    call->set_terms(std::move(terms));
    call->deliver();
}
inline void Link::accept(std::span<const std::byte> packet) {
    Reader reader(packet);
    auto kind = static_cast<Packet>(reader.get<std::uint8_t>());
    if (!greeted_ && kind != Packet::hello) throw FrameError(CloseCode::protocol_error, "link: no hello");
    switch (kind) {
        case Packet::hello: {
            auto hello = decode<Hello>(reader);
            if (hello.magic != link_magic || hello.oldest_protocol > link_protocol ||
                hello.newest_protocol < link_protocol || hello.host != peer_)
                throw FrameError(CloseCode::protocol_error,
                                 "link: a hello of another kind, protocol or host");
            if (auto mark = hello.features.find("commands");
                mark != hello.features.end() && mark->second != command_table_mark())
                throw FrameError(CloseCode::protocol_error,
                                 "link: a hello of an image with other commands");
            greeted_ = true;
            return;
        }
        case Packet::request:
        case Packet::tell:
            return accept_call(reader, kind == Packet::tell);
        case Packet::termed_request: {
            auto terms = decode<TermsOnWire>(reader);
            return accept_call(reader, false, std::move(terms));
        }
        case Packet::answer:
        case Packet::error:
            return accept_answer(reader, kind == Packet::error);
        case Packet::credit:
            return accept_credit(reader);
        case Packet::peer: {
            auto third = reader.get<std::uint32_t>();
            if (peer_ != 0 || third == this_host)
                throw FrameError(CloseCode::protocol_error, "link: an introduction that makes no sense");
            UniqueFd fd;
            if (!received_.empty()) {
                fd = std::move(received_.front());
                received_.pop_front();
            }
            if (fd) host_.connect(third, std::move(fd)).detach();
            else host_.no_descriptor_for(third);
            return;
        }
        case Packet::gone: {
            auto third = reader.get<std::uint32_t>();
            if (peer_ != 0 || third == 0)
                throw FrameError(CloseCode::protocol_error, "link: news that only the arbiter has");
            host_.peer_ended(third);
            return;
        }
    }
    throw FrameError(CloseCode::protocol_error, "link: a packet of no known kind");
}
inline Task<> Link::serve() {
    Job<> writer = loop_.start(write_on(), nullptr);
    try {
        co_await read();
    } catch (const std::exception& error) {
        Logger(fmt::format("link to {}", peer_ ? name_or_id(root_id(peer_)) : "the arbiter"))
            .error("{}", error.what());
    }
    writer.cancel();
    shut_down();
    co_await writer;
    close();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
