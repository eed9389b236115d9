// A TCP proxy: forwards bytes in both directions until both sides have ended.
//
//     tcp_proxy --bind :8000 --to 127.0.0.1:80 --max-connections 1000
#include <string>

#include <magnetar/app.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/net/connect.hpp>

using namespace magnetar;

struct Settings {
    std::string to = "127.0.0.1:80";

    static constexpr Help help[] = {{"to", "where connections are passed on to"}};
};

Task<> copy(Stream& from, Stream& to) {
    while (auto data = co_await from.read_some()) co_await to.write(data);
    co_await to.shutdown();
}

Task<> pass_on(Connection& client) {
    Stream server = co_await connect(settings<Settings>().to);
    co_await when_all(copy(client, server), copy(server, client));
}

int main(int argc, char** argv) {
    return SocketServer<void, Settings>({.name = "tcp_proxy", .serve = pass_on}).start(argc, argv);
}
