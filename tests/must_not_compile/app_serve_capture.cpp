// expect: serve is stateless: its lambda must not capture; keep what it needs in the worker's state
#include <magnetar/magnetar.hpp>

#include <magnetar/app/socket_server.hpp>

using namespace magnetar;

int wrong(int argc, char** argv, int limit) {
    return SocketServer<>(
               {.name = "app",
                .serve = [limit](Connection&) -> Task<> { co_await sleep(std::chrono::seconds(limit)); }})
        .start(argc, argv);
}
