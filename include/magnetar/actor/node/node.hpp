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

// What all loops of a process share: its number, its first actor, and the links to the other nodes. All of it
// belongs to the main loop; other threads reach it through that loop's door.
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

    // Takes over one end of a link and serves it until it ends; the job may be awaited for that.
    Job<> connect(std::uint32_t peer, UniqueFd fd);
    Link* link(std::uint64_t number) noexcept;
    Link* link_to(std::uint32_t peer) noexcept;
    // Whether these two nodes are to get a link of their own: the first time, and again when one of them says
    // that it is gone.
    bool introduced(std::uint32_t a, std::uint32_t b, bool again);
    std::size_t links() const noexcept { return links_.size(); }
    std::size_t links_to(std::uint32_t peer) const noexcept;
    // Whether an actor of that id may live in that process, as far as this one knows.
    bool may_be_of(ActorId id, std::uint32_t peer) const noexcept;
    // Whether a message to an actor of that process has a way to go.
    bool reaches(std::uint32_t peer) noexcept {
        return peer == this_node || link_to(peer) || (this_node != 0 && peer != 0);
    }
    // The parent of a process has seen its end, or has heard of it. Its links end now, also when somebody
    // else (a child of its own, say) still holds their other ends; what lies in them is read before.
    void peer_ended(std::uint32_t peer);
    // It has done what its role does not allow: its links end, with the reason in the log.
    void expel(std::uint32_t peer, std::string_view reason);
    // There was no free descriptor for the link that was to lead there.
    void no_descriptor_for(std::uint32_t peer);

    // On the main loop: by the link to the target's node, which is made first if need be.
    void send(RemoteCall& call);
    // The link to `peer` cannot be made: for that reason, or because the peer has ended.
    void give_up(std::uint32_t peer, std::string_view reason);
    // Returns when everything queued has been sent; does not wait for a peer that does not read.
    Task<> flushed();
    // Called when a link ends: the arbiter handles the end of a worker's, a worker that of the
    // master.
    void (*link_ended)(Node&, std::uint32_t peer) = nullptr;

private:
    static void unreachable(RemoteCall& call, std::string_view reason = {});
    static Task<> serve(Node& node, std::uint64_t number, Link& link);
    // Tells those to whom `peer` was introduced that it has ended, and forgets it.
    void part(std::uint32_t peer);
    static Task<> ask_for_link(Node& node, std::uint32_t peer);

    EventLoop& loop_;
    IdMap<Owned<Link>> links_;           // by its number
    IdMap<Link*> link_to_;               // by the node at its other end
    IdMap<Queue<Runnable>> connecting_;  // what waits for a link, by the same
    IdMap<bool> introduced_;             // by the lower node, and 32 bits below it the other
    IdMap<bool> without_descriptor_;     // nodes to which a link could not be taken
    std::uint64_t last_link_ = 0;
};

// This process's node; set while its main loop runs actors.
inline constinit Node* the_node = nullptr;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
