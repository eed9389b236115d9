// expect: this type cannot be decoded
#include <magnetar/wire/json_codec.hpp>

using namespace magnetar;

struct Borrowed {
    int& number;
};
int wrong(const Json& json) { return from_json<Borrowed>(json).number; }
