// expect: a channel moves its values, and a throwing move would lose one
#include <magnetar/magnetar.hpp>

struct Order {
    Order() = default;
    Order(Order&& other) noexcept(false) : number(other.number) {}
    int number = 0;
};
magnetar::Channel<Order> wrong(1);
