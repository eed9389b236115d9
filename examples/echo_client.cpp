// Sends each word to an echo server, and prints the replies.
//
//     echo_client 127.0.0.1:7000 hello again
#include <fmt/core.h>

#include <magnetar/loop/event_loop.hpp>
#include <magnetar/net/connect.hpp>

#include <string>
#include <vector>

using namespace magnetar;

Task<> talk(std::string address, std::vector<std::string> words) {
    Stream server = co_await connect(std::move(address));
    for (auto& word : words) {
        co_await server.write(word);
        fmt::print("{}\n", co_await server.read_exactly(word.size()));
    }
}

int main(int argc, char** argv) {
    if (argc < 3) return fmt::print(stderr, "usage: echo_client ADDRESS WORD ...\n"), 2;
    EventLoop loop;
    try {
        loop.run(talk(argv[1], {argv + 2, argv + argc}));
    } catch (const std::exception& error) {
        fmt::print(stderr, "echo_client: {}\n", error.what());
        return 1;
    }
}
