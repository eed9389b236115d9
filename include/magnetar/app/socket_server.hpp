#pragma once
#include <magnetar/app/detail/serving.hpp>
#include <magnetar/app/server_options.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/connection.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Options of a connection server. `serve` takes a Connection&, which closes when it returns.
template <class State = void>
using SocketServerOptions = ServerOptions<State, Connection&>;

/// A server on TCP or unix sockets with many workers: processes, threads or, for debugging, the first process
/// alone. They accept from one socket, which is opened once and stays open while the server runs, so that no
/// connection is refused during a reload.
///
///     int main(int argc, char** argv) {
///         return SocketServer<>({.name = "echo", .workers = 2, .serve = echo_back}).start(argc, argv);
///     }
///
/// A stop ends accepting, gives the connections exit_timeout to end, and cancels the rest. The logger
/// `access` writes one line for each ended connection, at level info.
template <class State = void, class Settings = NoSettings>
class SocketServer : public detail::Server<State, Settings, detail::Serves::connections, Connection&> {
    using Base = detail::Server<State, Settings, detail::Serves::connections, Connection&>;
    using Worker = detail::WorkerState<State>;

public:
    using Base::Base;

    detail::WorkerHooks hooks() const override {
        detail::WorkerHooks hooks = Base::hooks();
        hooks.serve = this->serve();
        return hooks;
    }

private:
    void adapt(SpawnOptions<Worker>& worker) const override {
        worker.start = [](Actor<Worker>& self) -> Task<> { return detail::start_server_worker(self); };
    }
};

}  // namespace magnetar::inline MAGNETAR_MODE
