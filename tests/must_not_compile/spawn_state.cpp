// expect: the actor's state cannot be made from these arguments: pass spawn() the arguments of its constructor
// braces take
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Cache {
    explicit Cache(std::size_t size) : entries(size) {}
    std::vector<int> entries;
};
Task<> wrong() { co_await spawn<Cache>({.name = "cache"}); }
