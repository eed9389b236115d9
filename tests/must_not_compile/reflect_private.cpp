// expect: only a struct without constructors and private members has fields that can be listed
#include <magnetar/magnetar.hpp>

class Point {
public:
    int x = 0;

private:
    int y_ = 0;
};
constexpr auto wrong = magnetar::field_count<Point>;
