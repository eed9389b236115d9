// A calculator that other programs call through the open door, in any language: see examples/clients and
// docs/protocol.md.
//
//     CALCULATOR_TOKEN=secret calculator serve 127.0.0.1:7080
//     CALCULATOR_TOKEN=secret calculator ws://127.0.0.1:7080 divide 84 2
#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Calculator {
    double add(double a, double b) { return a + b; }
    double multiply(double a, double b) { return a * b; }
    double divide(double a, double b) {
        if (b == 0) throw std::domain_error("division by zero");
        return a / b;
    }
    // The commands that are open to other programs.
    using commands = Commands<&Calculator::add, &Calculator::multiply, &Calculator::divide>;
};

std::string token() {
    const char* text = std::getenv("CALCULATOR_TOKEN");
    return text ? text : "";
}

int serve(std::string address) {
    std::string secret = token();
    return Arbiter<>({
                         .address = address,
                         .token = secret,
                         .start = [](Arbiter<>& self) -> Task<> {
                             co_await spawn<Calculator>({.name = "calculator"});
                             fmt::print("{}\n", self.address());
                             std::fflush(stdout);
                         },
                     })
        .run();
}

Task<> ask(std::string address, std::string command, double a, double b) {
    RemoteArbiter remote = co_await connect_arbiter(address, token());
    Json result = co_await remote.send("calculator", command, a, b);
    fmt::print("{}\n", result.get<double>());
}

int main(int argc, char** argv) {
    std::string first = argc > 1 ? argv[1] : "";
    if (argc == 3 && first == "serve") return serve(argv[2]);
    if (argc != 5) {
        fmt::print(stderr, "usage: calculator serve ADDRESS | calculator URL COMMAND NUMBER NUMBER\n");
        return 2;
    }
    EventLoop loop;
    try {
        loop.run(ask(first, argv[2], std::atof(argv[3]), std::atof(argv[4])));
    } catch (const std::exception& error) {
        fmt::print(stderr, "calculator: {}\n", error.what());
        return 1;
    }
}
