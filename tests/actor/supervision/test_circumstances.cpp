#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <magnetar/actor/supervision/circumstances.hpp>

#include <stdexcept>

using namespace magnetar;
using namespace magnetar::detail;

TEST_CASE("circumstances: read, packed and unpacked they are the same") {
    auto now = Circumstances::now();
    CHECK(now.known);
    CHECK(now.users[0] == ::getuid());
    CHECK(now.groups[1] == ::getegid());
    CHECK(now.other_groups.size() == static_cast<std::size_t>(::getgroups(0, nullptr)));
    CHECK(now == Circumstances::now());
    now.other_groups = {1, 2, 3};
    now.no_new_privileges = !now.no_new_privileges;
    auto bytes = now.pack();
    CHECK(Circumstances::unpack(bytes) == now);
    CHECK_FALSE(now == Circumstances::now());
    bytes.pop_back();
    CHECK_THROWS_AS(Circumstances::unpack(bytes), std::invalid_argument);
    bytes.resize(10);
    CHECK_THROWS_AS(Circumstances::unpack(bytes), std::invalid_argument);
}

TEST_CASE("circumstances: what has changed is taken on, and nothing else") {
    auto before = Circumstances::now();
    auto wanted = before;
    wanted.umask = 0123;
    wanted.limits[RLIMIT_NOFILE].rlim_cur -= 1;
    pid_t child = ::fork();
    if (child == 0) {
        wanted.take_on(before);
        ::_exit(Circumstances::now() == wanted ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) == 0);
}
