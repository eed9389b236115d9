// expect: a struct with a C array cannot be reflected: make the array a std::array
#include <magnetar/magnetar.hpp>

struct Dice {
    int throws[3];
};
constexpr auto wrong = magnetar::field_count<Dice>;
