// expect: a struct can have up to 32 fields and no references: group fields into structs of their own
#include <magnetar/magnetar.hpp>

struct View {
    int& number;
};
constexpr auto wrong = magnetar::field_count<View>;
