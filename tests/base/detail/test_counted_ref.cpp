#include <doctest/doctest.h>
#include <magnetar/base/detail/counted_ref.hpp>

using namespace magnetar;

namespace {

struct Kept : detail::Counted {
    explicit Kept(int& l) : living(l) { ++living; }
    ~Kept() { --living; }
    int& living;
    int value = 7;
};
using Ref = detail::CountedRef<Kept>;

}  // namespace

TEST_CASE("counted ref: the last takes the object with it") {
    int living = 0;
    {
        Ref none, first(*new Kept(living));
        CHECK_FALSE(none);
        CHECK(first->value == 7);
        {
            Ref second = first, third = std::move(second);
            CHECK_FALSE(second);
            none = third;
            third = Ref();
            CHECK(living == 1);
        }
        first = Ref();
        CHECK(living == 1);
        CHECK((*none).value == 7);
        none = Ref(*none);  // itself
        CHECK(living == 1);
    }
    CHECK(living == 0);
}
