// expect: a MultiApp is made of Applications and servers
#include <magnetar/magnetar.hpp>

#include <magnetar/app/multi_app.hpp>

using namespace magnetar;

int wrong(int argc, char** argv) {
    TcpServer server([](Connection&) -> Task<> { co_return; });
    return MultiApp({.name = "mall"}, server).start(argc, argv);
}
