// expect: the arguments do not match the command's parameters
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Shelf {
    std::vector<std::string> books;
    void put(std::string book) { books.push_back(std::move(book)); }
};
Task<> wrong(ActorProxy<Shelf> shelf) { co_await shelf.tell<&Shelf::put>(std::vector<int>{1}); }
