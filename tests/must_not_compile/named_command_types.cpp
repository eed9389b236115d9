// expect: a named command's parameters and result must be types that the codec knows
#include <magnetar/magnetar.hpp>

using namespace magnetar;

void* find(Request&, std::string) { return nullptr; }
inline constexpr Command<"find", find> finding;

Task<> wrong(ActorProxy<> actor) { co_await send(actor, finding, "it"); }
