#include <doctest/doctest.h>
#include <magnetar/base/detail/quantity.hpp>
#include <magnetar/base/errors.hpp>

#include <cerrno>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <typeinfo>
#include <utility>

using namespace magnetar;

namespace outside {
struct Odd {};
struct Failure : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};
}  // namespace outside

namespace {

template <class E>
ErrorText described(E error) {
    return describe(std::make_exception_ptr(std::move(error)));
}

}  // namespace

static_assert(!std::is_base_of_v<std::exception, Cancelled>);
static_assert(std::is_base_of_v<std::exception, TimeoutError>);

TEST_CASE("errors: system errors carry the operation, its object and the code") {
    try {
        throw_system_error(ECONNREFUSED, "connect", "127.0.0.1:80");
    } catch (const std::system_error& error) {
        CHECK(std::string(error.what()) == "connect 127.0.0.1:80: Connection refused");
        CHECK(error.code().value() == ECONNREFUSED);
        CHECK((error.code().category() == std::generic_category()));
    }
    try {
        throw_system_error(EMFILE, "socket");
    } catch (const std::system_error& error) {
        CHECK(std::string(error.what()) == "socket: Too many open files");
    }
}

TEST_CASE("errors: describe names the type of whatever was thrown") {
    auto text = described(outside::Failure("no such thing"));
    CHECK(text.type == "outside::Failure");
    CHECK(text.what == "no such thing");
    CHECK(described(std::runtime_error("x")).type == "std::runtime_error");
    CHECK(described(Cancelled{}).type == "magnetar::Cancelled");
    CHECK(described(Cancelled{}).what == "cancelled");
    CHECK(described(outside::Odd{}).type == "outside::Odd");
    CHECK(described(outside::Odd{}).what.empty());
    CHECK(described(7).type == "int");
}

TEST_CASE("errors: a name that cannot be demangled is given as it is") {
    CHECK(demangled("not a mangled name") == "not a mangled name");
    CHECK(demangled(typeid(outside::Odd).name()) == "outside::Odd");
}

TEST_CASE("errors: one thing is counted in the singular") {
    CHECK(detail::quantity(0, "worker") == "0 workers");
    CHECK(detail::quantity(1, "worker") == "1 worker");
    CHECK(detail::quantity(2, "worker") == "2 workers");
}
