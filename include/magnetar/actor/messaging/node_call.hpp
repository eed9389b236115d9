#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string_view>

#include <magnetar/actor/core/call_context.hpp>
#include <magnetar/actor/core/location.hpp>
#include <magnetar/actor/core/remote_nodes.hpp>
#include <magnetar/base/detail/pool.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/wire/codec.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A message to an actor of another host, on its way from the sender's loop through the loop that owns the
// link, and back with the answer. Owned by the runtime, whether or not its sender still waits.
class RemoteCall : public Runnable, public Pooled {
public:
    Address target, sender;
    std::uint32_t command = 0;
    bool tell = false;
    bool never_waits = false;  // a tell that is dropped when there is no room for it on the link
    std::size_t weight = 0;    // its share of the link's limit, until it is answered
    CallContext terms;
    Writer body;               // the encoded arguments; later the encoded answer
    std::exception_ptr error;  // in place of an answer
    LoopHandle* origin = nullptr;

    virtual ~RemoteCall() = default;

    // Ends the call, on the loop that owns the link: returns it to its sender's loop. The caller must not use
    // the call any more.
    void finish() noexcept;

protected:
    RemoteCall() noexcept : Runnable(nullptr) {}
    // On the sender's loop; deletes itself.
    virtual void deliver() noexcept = 0;
};

// Maximum size of a message on a link, without the few bytes of its header.
inline constexpr std::size_t largest_message = (std::size_t{64} << 20) - 256;

// A message's weight in limits: its bytes, and an overhead.
constexpr std::size_t weight_of(std::size_t size) noexcept { return size + 256; }

CodecError too_large(std::size_t size, std::string_view command);
inline void check_size(std::size_t size, std::string_view command) {
    if (size > largest_message) throw too_large(size, command);
}
template <class Args>
void encode_message(Writer& body, const Args& args, std::string_view command) {
    body.limit(largest_message);  // an oversized message is not encoded to its end
    try {
        encode(body, args);
    } catch (const SizeError& error) {
        throw too_large(error.needed(), command);
    }
    check_size(body.size(), command);
}

// The handle of this process's main loop, for any thread; null while no actors run.
inline constinit std::atomic<LoopHandle*> main_loop_handle{nullptr};

// Sends a call to its host; on any thread that runs a loop. Defined with the node.
void send_to_node(RemoteCall& call) noexcept;
// Whether the link to its host has room for a tell, as far as this thread knows.
bool link_has_room(const Address& target) noexcept;
// Whether actors run in this process at all.
bool node_runs() noexcept;
// Whether messages to that host can be sent; those to remote arbiters also where no actors run.
inline bool can_send_to(std::uint32_t node) noexcept { return node_runs() || is_remote(node); }

}  // namespace magnetar::inline MAGNETAR_MODE::detail
