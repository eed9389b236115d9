#pragma once
#include <stdexcept>
#include <string>
#include <utility>

#include <magnetar/actor/remote_arbiter.hpp>
#include <magnetar/config.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/wire/json.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// What an operator asks for where no program listens.
struct NoProgramRuns : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// An operator's connection to a program that runs. Blocks while it asks.
class ControlClient {
public:
    // Throws NoProgramRuns when no program listens at `path`, PermissionDenied when not for this user.
    explicit ControlClient(const std::string& path);

    // What the command answers. Throws what it throws there, and ActorLost when the program has ended first.
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
