#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/invoke.hpp>
#include <magnetar/actor/node/link.hpp>
#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/signals.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The state that all loops of a process share: its number, its first actor, and the links to the other nodes.
// It belongs to the main loop; other threads reach it through that loop's handle.
class Node {
public:
    explicit Node(EventLoop& loop) : loop_(loop) {
        main_loop_handle.store(&loop.handle(), std::memory_order_release);
    }
    Node(const Node&) = delete;
    ~Node() { main_loop_handle.store(nullptr, std::memory_order_release); }

    EventLoop& loop() const noexcept { return loop_; }
    // The arbiter, or the actor that this process was made for.
    Actor<>* main_actor = nullptr;
    Address arbiter;

    // Takes ownership of one end of a link and serves it until it ends; the job ends with the link.
    Job<> connect(std::uint32_t peer, UniqueFd fd);
    Link* link(std::uint64_t number) noexcept;
    Link* link_to(std::uint32_t peer) noexcept;
    // Records that these two nodes are introduced. Returns whether to make a link between them: the first
    // time, or with `again`, after one of them has lost it.
    bool introduced(std::uint32_t a, std::uint32_t b, bool again);
    std::size_t links() const noexcept { return links_.size(); }
    std::size_t links_to(std::uint32_t peer) const noexcept;
    // Whether an actor of that id may live in that process, as far as this node knows.
    bool may_be_of(ActorId id, std::uint32_t peer) const noexcept;
    // Whether messages can reach that process: it is this one, there is a link, or one can be requested.
    bool reaches(std::uint32_t peer) noexcept {
        return peer == this_node || link_to(peer) || (this_node != 0 && peer != 0);
    }
    // A process has ended, as its parent has observed or the arbiter has reported. Its links end now, even if
    // another process (such as a child of it) still holds their other ends; data already in them is read
    // first.
    void peer_ended(std::uint32_t peer);
    // Ends the links of a process that did what its role does not allow, and logs the reason.
    void expel(std::uint32_t peer, std::string_view reason);
    // This process had no free descriptor for the link to `peer`.
    void no_descriptor_for(std::uint32_t peer);

    // Sends over the link to the target's node, and requests that link first if there is none. On the main
    // loop.
    void send(RemoteCall& call);
    // Fails the calls that wait for a link to `peer`: it cannot be made, or (without a reason) the peer has
    // ended.
    void give_up(std::uint32_t peer, std::string_view reason);
    // Waits until everything queued has been sent, for at most a second, as a peer may not read.
    Task<> flushed();
    // Called when a link ends: the arbiter handles the end of a link to a worker, a worker that of its link
    // to the master.
    void (*link_ended)(Node&, std::uint32_t peer) = nullptr;

private:
    static void unreachable(RemoteCall& call, std::string_view reason = {});
    static Task<> serve(Node& node, std::uint64_t number, Link& link);
    // Notifies the nodes to which `peer` was introduced of its end, and forgets it.
    void part(std::uint32_t peer);
    static Task<> ask_for_link(Node& node, std::uint32_t peer);

    EventLoop& loop_;
    IdMap<Owned<Link>> links_;           // by its number
    IdMap<Link*> link_to_;               // by the node at its other end
    IdMap<Queue<Runnable>> connecting_;  // calls that wait for a link, by its node
    IdMap<bool> introduced_;             // by lower node << 32 | higher node
    IdMap<bool> without_descriptor_;     // nodes to which a link had no free descriptor
    std::uint64_t last_link_ = 0;
};

// This process's node; set while its main loop runs actors.
inline constinit Node* the_node = nullptr;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
