// An echo server for datagrams: all workers receive from one socket, which queues datagrams during a reload.
//
//     echo_udp --bind :7000
#include <magnetar/app.hpp>

using namespace magnetar;

Task<> echo_back(DatagramSocket& socket, Datagram datagram) {
    co_await socket.send_to(datagram.data, datagram.from);
}

int main(int argc, char** argv) {
    return DatagramServer<>({.name = "echo_udp", .workers = 2, .serve = echo_back}).start(argc, argv);
}
