#include <magnetar/actor/identity.hpp>
#include <magnetar/app/detail/process.hpp>

#include <doctest/doctest.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <system_error>

#include <cstdlib>
#include <fstream>
#include <optional>

using namespace magnetar;

namespace process_tests {

TEST_SUITE("app") {
    TEST_CASE("process: umask is octal") {
        CHECK(detail::read_umask("027") == 027);
        for (auto wrong : {"", "8", "1777", "-1", "27x"})
            CHECK_THROWS_AS(detail::read_umask(wrong), std::invalid_argument);
    }
    TEST_CASE("process: the limit of descriptors is raised as far as it may be") {
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        rlimit low{100, before.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
        CHECK(detail::raise_descriptor_limit(50) == 100);
        CHECK(detail::raise_descriptor_limit(100) == 100);
        CHECK(detail::raise_descriptor_limit(101) == 101);
        CHECK(detail::raise_descriptor_limit(before.rlim_max + 1) == before.rlim_max);
        rlimit now{};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &now) == 0);
        CHECK(now.rlim_cur == before.rlim_max);
        CHECK(now.rlim_max == before.rlim_max);
        CHECK(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    }
    TEST_CASE("process: users and groups that are not there are named") {
        CHECK_THROWS_WITH(detail::become_user("no-such-user", ""), "there is no user 'no-such-user'");
        CHECK_THROWS_WITH(detail::become_user("", "no-such-group"), "there is no group 'no-such-group'");
    }
    TEST_CASE("process: the watchdog's time is for the process that it names") {
        ::setenv("WATCHDOG_USEC", "500", 1);
        CHECK(detail::watchdog_microseconds() == 500);
        ::setenv("WATCHDOG_PID", "1", 1);
        CHECK(detail::watchdog_microseconds() == 0);
        ::unsetenv("WATCHDOG_PID");
        ::setenv("WATCHDOG_USEC", "soon", 1);
        CHECK(detail::watchdog_microseconds() == 0);
        ::unsetenv("WATCHDOG_USEC");
    }
    TEST_CASE("process: a pid file is locked while its owner lives, and goes with it") {
        std::string path = "/tmp/magnetar-pid-" + std::to_string(::getpid());
        {
            detail::PidFile mine(path);
            std::ifstream in(path);
            pid_t written = 0;
            in >> written;
            CHECK(written == ::getpid());
            CHECK_THROWS_AS(detail::PidFile second(path), std::runtime_error);
            detail::PidFile moved = std::move(mine);
        }
        struct stat found{};
        CHECK(::stat(path.c_str(), &found) != 0);
        CHECK_THROWS_AS(detail::PidFile("/nowhere/pid"), std::system_error);
    }
    TEST_CASE("process: a pid file that another has made in its place stays") {
        std::string path = "/tmp/magnetar-pid-of-two-" + std::to_string(::getpid());
        std::optional<detail::PidFile> first(std::in_place, path);
        REQUIRE(::unlink(path.c_str()) == 0);
        detail::PidFile second(path);
        first.reset();
        struct stat found{};
        CHECK(::stat(path.c_str(), &found) == 0);
        CHECK(found.st_size > 0);
    }
    TEST_CASE("process: a path that is another's by now stays") {
        std::string path = "/tmp/magnetar-own-" + std::to_string(::getpid());
        std::ofstream(path) << "mine";
        {
            detail::OwnPath own(path);
            std::ofstream(path + ".new") << "theirs";
            REQUIRE(::rename((path + ".new").c_str(), path.c_str()) == 0);
        }
        struct stat found{};
        CHECK(::stat(path.c_str(), &found) == 0);
        { detail::OwnPath own(path); }
        CHECK(::stat(path.c_str(), &found) != 0);
    }
    TEST_CASE("process: names of hosts are looked up, and an address in use is named") {
        auto socket = detail::open_listening_socket("localhost:0", {});
        CHECK(socket.address().port() != 0);
        CHECK_THROWS_WITH_AS(detail::open_listening_socket(socket.address().to_string(), {}),
                             ("bind " + socket.address().to_string() + ": Address already in use").c_str(),
                             std::system_error);
        CHECK_THROWS_AS(detail::open_listening_socket("nowhere.invalid:1", {}), std::invalid_argument);
        CHECK_THROWS_AS(detail::open_listening_socket("localhost", {}), std::invalid_argument);
    }
    TEST_CASE("process: the end of another is waited for, also when it is no child any more") {
        pid_t child = ::fork();
        if (child == 0) ::_exit(0);
        detail::wait_for_end(child);
        CHECK(::waitpid(child, nullptr, WNOHANG) == child);
        detail::wait_for_end(child);
    }
}

}  // namespace process_tests
