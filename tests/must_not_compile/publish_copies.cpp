// expect: a published message is copied to every member: the command's parameters must be copyable
#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Ticket {
    explicit Ticket(int n) : number(n) {}
    Ticket(Ticket&&) = default;
    int number;
};
template <>
struct magnetar::Codec<Ticket> {
    static int to_wire(const Ticket& ticket) { return ticket.number; }
    static Ticket from_wire(int number) { return Ticket(number); }
};
struct Guest {
    void take(Ticket ticket) { last = ticket.number; }
    int last = 0;
};
Task<> wrong() { co_await publish<&Guest::take>("guests", Ticket(1)); }
