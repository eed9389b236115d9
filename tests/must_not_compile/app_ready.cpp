// expect: ready is called with the monitor and the result to set: [](Monitor<State>& self, bool& ready) { ... }
#include <magnetar/magnetar.hpp>

#include <magnetar/app/application.hpp>

using namespace magnetar;

int wrong(int argc, char** argv) {
    return Application<>({.name = "app", .ready = [](Monitor<NoState>&) { return true; }}).start(argc, argv);
}
