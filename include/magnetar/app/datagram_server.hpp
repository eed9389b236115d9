#pragma once
#include <magnetar/app/detail/serving.hpp>
#include <magnetar/app/server_options.hpp>
#include <magnetar/config.hpp>
#include <magnetar/net/datagram.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// Options of a datagram server. `serve` takes a DatagramSocket& and a Datagram; a worker receives the next
/// datagram when it has returned.
template <class State = void>
using DatagramServerOptions = ServerOptions<State, DatagramSocket&, Datagram>;

/// A datagram server, over UDP or unix sockets, with many workers that receive from one socket: each datagram
/// goes to one worker, and datagrams that arrive during a reload wait in the socket for the next worker.
///
///     Task<> echo_back(DatagramSocket& socket, Datagram datagram) {
///         co_await socket.send_to(datagram.data, datagram.from);
///     }
///     DatagramServer<>({.name = "echo", .serve = echo_back}).start(argc, argv);
template <class State = void, class Settings = NoSettings>
class DatagramServer
    : public detail::Server<State, Settings, detail::Serves::datagrams, DatagramSocket&, Datagram> {
    using Base = detail::Server<State, Settings, detail::Serves::datagrams, DatagramSocket&, Datagram>;
    using Worker = detail::WorkerState<State>;

public:
    using Base::Base;

    detail::WorkerHooks hooks() const override {
        detail::WorkerHooks hooks = Base::hooks();
        hooks.receive = this->serve();
        return hooks;
    }

private:
    void adapt(SpawnOptions<Worker>& worker) const override {
        worker.start = [](Actor<Worker>& self) -> Task<> { return detail::start_datagram_worker(self); };
        worker.stopping = [](Actor<Worker>& self) -> Task<> { return detail::stop_datagram_worker(self); };
        worker.on_info = [](Actor<Worker>& self, Json& about) { detail::add_datagram_info(self, about); };
    }
};

}  // namespace magnetar::inline MAGNETAR_MODE
