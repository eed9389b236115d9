// expect: the fields of a struct with a base class cannot be listed: make the base its first member instead
#include <magnetar/magnetar.hpp>

struct Place {
    int x = 0;
};
struct Town : Place {
    std::string name;
};
constexpr auto wrong = magnetar::field_count<Town>;
