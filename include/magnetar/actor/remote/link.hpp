#pragma once
#include <array>
#include <exception>
#include <string>
#include <string_view>

#include <magnetar/actor/node/remote_routes.hpp>
#include <magnetar/base/detail/counted_ref.hpp>
#include <magnetar/base/detail/generations.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/stream.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A caller that waits for an answer of the remote arbiter.
class RemoteAsked {
public:
    virtual void take(const Json& result) noexcept = 0;
    virtual void fail(std::exception_ptr error) noexcept = 0;

protected:
    ~RemoteAsked() = default;
};

// The connection to a remote arbiter: requests and tells out as JSON, answers back. Lives on the loop that
// made it, kept by the RemoteArbiter and by its own reader.
class RemoteLink final : public RemotePeer, public Counted, Timer {
public:
    using Ref = CountedRef<RemoteLink>;

    // Connects and shakes hands. Throws std::invalid_argument for no URL, std::system_error,
    // PermissionDenied, HandshakeError, TimeoutError.
    MAGNETAR_LAZY static Task<Ref> connect(std::string url, std::string token);

    std::uint32_t host() const noexcept { return host_; }
    bool is_open() const noexcept { return open_; }
    // Why it ended.
    const std::string& reason() const noexcept { return reason_; }

    void send(RemoteCall& call) noexcept override;
    bool has_room() const noexcept override { return out_.size() + sending_.size() < most_unsent; }

    // Sends a request by name and gives its answer. Throws what the other side answers, and ActorLost.
    MAGNETAR_LAZY static Task<Json> ask(Ref link, std::string command, Json target, Json arguments);
    // The same without an answer.
    MAGNETAR_LAZY static Task<> tell(Ref link, std::string command, Json target, Json arguments);
    // Starts the close handshake; open requests fail with ActorLost.
    void close() noexcept;
    // Waits for its end.
    MAGNETAR_LAZY static Task<> closed(Ref link);

private:
    friend class CountedRef<RemoteLink>;
    // So many bytes wait for the connection before senders do.
    static constexpr std::size_t most_unsent = std::size_t{1} << 20;

    class Reply;
    class CallAsked;
    class Flushing;

    RemoteLink(EventLoop& loop, Stream stream, std::string url);
    ~RemoteLink();

    MAGNETAR_LAZY static Task<> serve(Ref link, std::string first);
    void take(std::span<const std::byte> bytes);
    void take_text(std::string_view text);
    void write(RemoteCall& call) noexcept;
    void send_request(std::string_view command, const Json& target, const Json& arguments, const Json& id,
                      std::chrono::nanoseconds left = {});
    void append(Opcode opcode, std::string_view payload);
    void flush_soon();
    MAGNETAR_LAZY static Task<> flush(Ref link);
    void end(std::string reason) noexcept;
    std::exception_ptr lost() const;
    MaskKey fresh_mask() noexcept;
    void tick() noexcept;

    EventLoop& loop_;
    Stream stream_;
    std::string url_, reason_;
    FrameDecoder decoder_{FrameRules{Masking::forbidden, std::size_t{64} << 20, std::size_t{64} << 20}};
    Writer out_, sending_;
    Slots<RemoteAsked*> asked_;
    Queue<Runnable> waiting_;  // calls that come while there is no room
    Event changed_;            // something was sent, or it has ended
    LoopClock::time_point heard_;
    std::array<std::byte, 256> random_{};
    std::size_t random_left_ = 0;
    std::uint32_t host_ = 0;
    Task<> (*start_flush_)(Ref link) = nullptr;  // flush, set by connect: see MAGNETAR_LAZY
    bool open_ = true, closing_ = false, flushing_ = false, pinged_ = false, gone_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
