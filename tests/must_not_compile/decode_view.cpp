// expect: this type cannot be received
// expect: use std::string for std::string_view
#include <magnetar/wire/codec.hpp>

using namespace magnetar;

struct Line {
    int number;
    std::string_view text;
};
Line wrong(Reader& in) { return decode<Line>(in); }
