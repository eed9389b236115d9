// The smallest application: one line of code, for a program with --help, --version, settings and logs.
//
//     hello --whom everybody
#include <fmt/core.h>

#include <magnetar/app.hpp>

using namespace magnetar;

struct Settings {
    std::string whom = "world";

    static constexpr Help help[] = {{"whom", "who is greeted"}};
};

int main(int argc, char** argv) {
    return Application<void, Settings>({
                                           .name = "hello",
                                           .description = "Greets, and goes.",
                                           .version = "1.0",
                                           .started =
                                               [](Monitor<NoState>&) {
                                                   fmt::print("Hello, {}!\n", settings<Settings>().whom);
                                                   arbiter()->stop();
                                               },
                                       })
        .start(argc, argv);
}
