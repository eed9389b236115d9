#include <doctest/doctest.h>
#include <magnetar/base/unique_fd.hpp>

#include <unistd.h>

#include <fcntl.h>
#include <utility>

using namespace magnetar;

namespace {

int open_null() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

}  // namespace

TEST_CASE("unique_fd: closes when it dies") {
    int fd = open_null();
    {
        UniqueFd owner{fd};
        CHECK(owner);
        CHECK(owner.get() == fd);
        CHECK(is_open(fd));
    }
    CHECK_FALSE(is_open(fd));
    CHECK_FALSE(UniqueFd{});
}

TEST_CASE("unique_fd: moving hands over, assignment closes what was held") {
    int a = open_null(), b = open_null();
    UniqueFd first{a}, second{b};
    UniqueFd moved{std::move(first)};
    CHECK_FALSE(first);
    CHECK(moved.get() == a);
    moved = std::move(second);
    CHECK_FALSE(is_open(a));
    CHECK(moved.get() == b);
    auto& self = moved;
    moved = std::move(self);
    CHECK(is_open(b));
    moved.reset();
    CHECK_FALSE(is_open(b));
    moved.reset();
}

TEST_CASE("unique_fd: release leaves it open") {
    UniqueFd owner{open_null()};
    int fd = owner.release();
    CHECK_FALSE(owner);
    CHECK(is_open(fd));
    ::close(fd);
}
