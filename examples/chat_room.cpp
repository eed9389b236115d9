// A chat room over TCP: one actor that owns a server, a coroutine or two for each client, and no lock.
//
//     chat_room [ADDRESS]          then, in other terminals: nc 127.0.0.1 7000
#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <magnetar/magnetar.hpp>
#include <set>
#include <string>
#include <vector>

using namespace magnetar;
using namespace std::chrono_literals;

class Member;

// The actor's state. Only code of this actor touches it: its commands, and the coroutines of its connections.
struct Room {
    std::string address;
    std::set<Member*> members = {};

    void say(const std::string& line, const Member* but = nullptr);

    // Commands: any other actor may send these.
    std::vector<std::string> names() const;
    void announce(std::string text) { say(fmt::format("* {}\n", text)); }
};

// A client in the room, as long as the connection lasts. Lines are queued for it in a channel of 64; a client
// that does not read is disconnected, so that no sender waits for it.
class Member {
public:
    Member(Room& room, std::string called) : name(std::move(called)), room_(room) {
        room_.say(fmt::format("* {} joins\n", name));
        room_.members.insert(this);
    }
    Member(const Member&) = delete;
    ~Member() {
        room_.members.erase(this);
        room_.say(fmt::format("* {} leaves\n", name));
    }
    void hear(const std::string& line) {
        if (lagging_) return;
        std::string copy = line;
        if (lines.try_send(copy)) return;
        lagging_ = true;
        lines.close();
    }

    const std::string name;
    Channel<std::string> lines{64};

private:
    Room& room_;
    bool lagging_ = false;
};

void Room::say(const std::string& line, const Member* but) {
    for (Member* member : members)
        if (member != but) member->hear(line);
}

std::vector<std::string> Room::names() const {
    std::vector<std::string> all;
    for (const Member* member : members) all.push_back(member->name);
    return all;
}

// One line without its end; empty when the client has gone, or sent an empty one.
Task<std::string> read_line(Connection& client) {
    std::string line = co_await client.read_until("\n", 4096);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    co_return line;
}

Task<> listen_to(Connection& client, Room& room, Member& member) {
    for (;;) {
        std::string line = co_await read_line(client);
        if (line.empty()) co_return;
        if (line == "/names") {
            for (auto& name : room.names()) member.hear(fmt::format("* {} is here\n", name));
        } else {
            room.say(fmt::format("{}: {}\n", member.name, line), &member);
        }
    }
}

Task<> speak_to(Connection& client, Member& member) {
    while (auto line = co_await member.lines.receive()) co_await client.write(*line);
}

Task<> converse(Connection& client, Room& room) {
    co_await client.write("* Your name?\n");
    std::string name = co_await read_line(client);
    if (name.empty()) co_return;
    Member member(room, name);
    // When one of them ends, the other is cancelled and awaited.
    co_await when_any(listen_to(client, room, member), speak_to(client, member));
}

Task<> open_room(Actor<Room>& self) {
    Room& room = self.state();
    TcpServer server{[&room](Connection& client) { return converse(client, room); },
                     {.max_connections = 10'000, .keep_alive = 600s}};
    co_await server.start_serving(room.address);
    self.extra()["address"] = server.address().to_string();
    self.servers().emplace("chat", std::move(server));
}

int main(int count, char** arguments) {
    static std::string address = count > 1 ? arguments[1] : "127.0.0.1:7000";
    Arbiter<> arbiter({
        .start = [](Arbiter<>&) -> Task<> {
            auto room = co_await spawn<Room>(
                {
                    .name = "room",
                    .start = [](Actor<Room>& self) { return open_room(self); },
                    .stopping = [](Actor<Room>& self) { self.state().announce("the room closes"); },
                },
                address);
            Json told = co_await room.info();
            fmt::print("listening on {}\n", told["extra"]["address"].get<std::string>());
            std::fflush(stdout);
        },
    });
    return arbiter.run();
}
