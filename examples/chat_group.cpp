// A chat over TCP in several processes behind one port. Each connection is a light actor that has joined the
// group "chat"; lines of one client are published there, and reach the members in all processes.
//
//     chat_group [ADDRESS]         then, in other terminals: nc 127.0.0.1 7002
#include <fmt/core.h>

#include <cstdio>

#include <magnetar/magnetar.hpp>
#include <string>

using namespace magnetar;

// A light actor for each connection: lines are queued here until the connection has room. A client that does
// not read is disconnected, so that no sender waits for it.
struct Member {
    Channel<std::string> lines{64};

    Task<> enter() { co_await join<&Member::hear>("chat"); }
    void hear(std::string line) {
        if (!lines.try_send(line)) lines.close();
    }
    Task<std::string> next() {
        auto line = co_await lines.receive();
        co_return line ? *line : "";
    }
    void end(Actor<Member>& self) { self.stop(); }  // a member that has ended has left
};

// One line without its end; empty when the client has gone, or sent an empty one.
Task<std::string> read_line(Connection& client) {
    std::string line = co_await client.read_until("\n", 4096);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    co_return line;
}

Task<> say(std::string line) {
    try {
        co_await publish<&Member::hear>("chat", line);
    } catch (const ActorStopping&) {  // the program ends: no member receives it
    }
}

Task<> listen_to(Connection& client, const std::string& name) {
    for (;;) {
        std::string line = co_await read_line(client);
        if (line.empty()) co_return;
        co_await say(fmt::format("{}: {}\n", name, line));
    }
}

Task<> speak_to(Connection& client, const ActorProxy<Member>& member) {
    for (;;) {
        std::string line = co_await member.send<&Member::next>();
        if (line.empty()) co_return;
        co_await client.write(line);
    }
}

Task<> converse(Connection& client) {
    co_await client.write("* Your name?\n");
    std::string name = co_await read_line(client);
    if (name.empty()) co_return;
    auto member = co_await spawn<Member>({
        .concurrency = Concurrency::coroutine,
        .stopping = [](Actor<Member>& self) { self.state().lines.close(); },  // next() then returns
    });
    struct Leaving {
        const ActorProxy<Member>& member;
        ~Leaving() { member.try_tell<&Member::end>(); }
    } leaving{member};
    co_await member.send<&Member::enter>();
    co_await say(fmt::format("* {} joins\n", name));
    // When one of them ends, the other is cancelled and awaited.
    co_await when_any(listen_to(client, name), speak_to(client, member));
    co_await say(fmt::format("* {} leaves\n", name));
}

struct Door {
    ListeningSocket socket;
};
Task<> serve(Actor<Door>& self) {
    TcpServer server{converse};
    co_await server.start_serving(Listener(self.state().socket));
    self.servers().emplace("chat", std::move(server));
}

int main(int count, char** arguments) {
    static std::string address = count > 1 ? arguments[1] : "127.0.0.1:7002";
    Arbiter<> arbiter({
        .start = [](Arbiter<>& self) -> Task<> {
            auto socket = ListeningSocket::bind(SocketAddress::parse(address));
            co_await self.add_monitor<Door>(
                {.name = "door",
                 .workers = 3,
                 .worker = {.start = [](Actor<Door>& worker) { return serve(worker); }}},
                socket);
            fmt::print("listening on {}\n", socket.address().to_string());
            std::fflush(stdout);
        },
    });
    return arbiter.run();
}
