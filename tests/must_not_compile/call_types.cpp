// expect: the arguments do not match the Call's parameters: their number or types differ
// alone
#include <magnetar/magnetar.hpp>

using namespace magnetar;

inline constexpr Call<"add", int(int)> add_to;

Task<> wrong(ActorProxy<> actor) { co_await send(actor, add_to, "two"); }
