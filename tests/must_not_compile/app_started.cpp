// expect: started is called with the monitor, once all workers run: [](Monitor<State>& self) { ... }
#include <magnetar/magnetar.hpp>

#include <magnetar/app/application.hpp>

using namespace magnetar;

int wrong(int argc, char** argv) {
    return Application<>({.name = "app", .started = [](int) {}}).start(argc, argv);
}
