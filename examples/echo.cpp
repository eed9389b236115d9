// A TCP echo server: two worker processes, no lost connection while they are replaced, and an operator's
// command line.
//
//     echo --bind :7000 &
//     echo --info; echo --scale 4; echo --reload; echo --stop
#include <magnetar/app.hpp>

using namespace magnetar;

Task<> echo_back(Connection& client) {
    while (auto data = co_await client.read_some()) co_await client.write(data);
}

int main(int argc, char** argv) {
    return SocketServer<>({.name = "echo", .workers = 2, .serve = echo_back}).start(argc, argv);
}
