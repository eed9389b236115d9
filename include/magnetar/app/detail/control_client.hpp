#pragma once
#include <stdexcept>
#include <string>
#include <utility>

#include <magnetar/actor/remote_arbiter.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Thrown when no program listens on the control socket.
struct NoProgramRuns : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// An operator's connection to a running program. Its calls block.
class ControlClient {
public:
    // Throws NoProgramRuns when no program listens at `path`, PermissionDenied when this user has no access.
    explicit ControlClient(const std::string& path);

    // Sends a command and returns its answer. Throws the command's exception, and ActorLost when the program
    // ends first.
    template <class... A>
    Json ask(const char* command, const A&... arguments) {
        return loop_.run(arbiter_.send("arbiter", command, arguments...));
    }

private:
    EventLoop loop_;
    RemoteArbiter arbiter_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/control_client.ipp>
#endif
