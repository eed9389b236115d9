// expect: the settings of an application are a struct without constructors, of which every field has a
// default
#include <magnetar/magnetar.hpp>

#include <magnetar/app/application.hpp>

using namespace magnetar;

struct Settings {
    explicit Settings(int l) : limit(l) {}
    int limit;
};
struct Worker {};
int wrong(int argc, char** argv) { return Application<Worker, Settings>({.name = "app"}).start(argc, argv); }
