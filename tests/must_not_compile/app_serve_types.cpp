// expect: serve is a coroutine that takes a Connection&, or a DatagramSocket& and a Datagram, or the worker
#include <magnetar/magnetar.hpp>

#include <magnetar/app/socket_server.hpp>

using namespace magnetar;

int wrong(int argc, char** argv) {
    return SocketServer<>({.name = "app", .serve = [](Connection&) {}}).start(argc, argv);
}
