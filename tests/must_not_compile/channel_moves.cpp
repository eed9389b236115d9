// expect: a channel hands values over by moving them, and one whose move throws would be lost
#include <magnetar/magnetar.hpp>

struct Order {
    Order() = default;
    Order(Order&& other) noexcept(false) : number(other.number) {}
    int number = 0;
};
magnetar::Channel<Order> wrong(1);
