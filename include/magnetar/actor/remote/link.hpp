#pragma once
#include <exception>
#include <string>
#include <string_view>

#include <magnetar/actor/node/remote_routes.hpp>
#include <magnetar/base/detail/counted_ref.hpp>
#include <magnetar/base/detail/generations.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/detail/websocket_connection.hpp>
#include <magnetar/net/stream.hpp>
#include <magnetar/sync/event.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A caller that waits for an answer of the remote arbiter.
class RemoteAsked {
public:
    virtual void take(const Json& result) noexcept = 0;
    virtual void fail(std::exception_ptr error) noexcept = 0;

protected:
    ~RemoteAsked() = default;
};

// The connection to a remote arbiter: sends requests and tells as JSON, receives answers. Lives on the loop
// that made it, owned by the RemoteArbiter and by its own reader.
class RemoteLink final : public RemotePeer, public Counted, WebSocketConnection::Owner {
public:
    using Ref = CountedRef<RemoteLink>;

    // Connects and performs the handshake. Throws std::invalid_argument for an invalid URL,
    // std::system_error, PermissionDenied, HandshakeError, TimeoutError.
    MAGNETAR_LAZY static Task<Ref> connect(std::string url, std::string token);

    std::uint32_t node() const noexcept { return node_; }
    bool is_open() const noexcept { return open_; }
    // Why it ended.
    const std::string& reason() const noexcept { return reason_; }

    void send(RemoteCall& call) noexcept override;
    bool has_room() const noexcept override { return socket_.unsent() < most_unsent; }

    // Sends a request by name and returns its result. Throws the error that the other side answers, and
    // ActorLost.
    MAGNETAR_LAZY static Task<Json> ask(Ref link, std::string command, Json target, Json arguments);
    // The same without an answer.
    MAGNETAR_LAZY static Task<> tell(Ref link, std::string command, Json target, Json arguments);
    // Starts the close handshake; open requests fail with ActorLost.
    void close() noexcept;
    // Waits until the link has ended.
    MAGNETAR_LAZY static Task<> closed(Ref link);

private:
    friend class CountedRef<RemoteLink>;
    // Maximum of unsent bytes before senders wait.
    static constexpr std::size_t most_unsent = std::size_t{1} << 20;

    class Reply;
    class CallAsked;

    RemoteLink(Stream stream, std::string url);
    ~RemoteLink() = default;

    MAGNETAR_LAZY static Task<> serve(Ref link, std::string first);
    void take_text(std::string_view text) override;
    // Requests in flight fail with ActorLost.
    void closing(std::string_view reason) noexcept override;
    void sent() noexcept override;
    void write(RemoteCall& call) noexcept;
    void send_request(std::string_view command, const Json& target, const Json& arguments, const Json& id,
                      std::chrono::nanoseconds left = {});
    std::exception_ptr lost() const;

    Stream stream_;
    WebSocketConnection socket_;
    std::string url_, reason_;
    Slots<RemoteAsked*> asked_;
    Queue<Runnable> waiting_;  // calls that wait for room
    Event changed_;            // bytes were sent, or the link has ended
    std::uint32_t node_ = 0;
    bool open_ = true, gone_ = false;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
