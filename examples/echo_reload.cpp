// An echo server of worker processes that share one listening socket. `kill -HUP` replaces the workers one by
// one, without refusing a connection or cutting off a request. The line `pid` is answered with the worker's
// process id.
//
//     echo_reload [ADDRESS]
#include <fmt/core.h>
#include <sys/socket.h>

#include <unistd.h>
#include <cstdio>

#include <magnetar/magnetar.hpp>
#include <string>

using namespace magnetar;

struct Echo {
    ListeningSocket socket;
};

Task<> echo_lines(Connection& client) {
    // While the server closes, a read that would wait for a new line returns the end of the stream.
    for (;;) {
        std::string line = co_await client.read_until("\n");
        if (line.empty()) co_return;
        if (line == "pid\n") line = fmt::format("{}\n", ::getpid());
        co_await client.write(line);
    }
}

Task<> serve(Actor<Echo>& self) {
    TcpServer server{echo_lines};
    co_await server.start_serving(Listener(self.state().socket));
    self.servers().emplace("echo", std::move(server));
}

int main(int count, char** arguments) {
    static std::string address = count > 1 ? arguments[1] : "127.0.0.1:7001";
    Arbiter<> arbiter({
        .start = [](Arbiter<>& self) -> Task<> {
            auto socket = ListeningSocket::bind(SocketAddress::parse(address));
            co_await self.add_monitor<Echo>(
                {.name = "echo",
                 .workers = 2,
                 .worker = {.start = [](Actor<Echo>& worker) { return serve(worker); }}},
                socket);
            fmt::print("listening on {}, reload with: kill -HUP {}\n", socket.address().to_string(),
                       ::getpid());
            std::fflush(stdout);
        },
    });
    return arbiter.run();
}
