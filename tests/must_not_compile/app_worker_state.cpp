// expect: the state of an application's workers is made from its settings or from nothing: give it a
// constructor that takes
#include <magnetar/magnetar.hpp>

#include <magnetar/app/application.hpp>

using namespace magnetar;

struct Worker {
    explicit Worker(int size);
};
int wrong(int argc, char** argv) { return Application<Worker>({.name = "app"}).start(argc, argv); }
