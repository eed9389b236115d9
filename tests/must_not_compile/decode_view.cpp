// expect: this type cannot be decoded
// expect: references and views (use std::string
#include <magnetar/wire/codec.hpp>

using namespace magnetar;

struct Line {
    int number;
    std::string_view text;
};
Line wrong(Reader& in) { return decode<Line>(in); }
