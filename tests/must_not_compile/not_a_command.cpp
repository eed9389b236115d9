// expect: send takes a Command, run<function>, echo, or a command's name
#include <magnetar/magnetar.hpp>

using namespace magnetar;

std::string greet(Request&) { return "hello"; }

Task<> wrong(ActorProxy<> actor) { co_await send(actor, greet); }
