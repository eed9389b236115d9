#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <magnetar/base/detail/standard_streams.hpp>

#include <cstdio>
#include <iostream>
#include <string>

using namespace magnetar;

namespace {

template <class F>
int code_of_child(F body) {
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) ::_exit(body());
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}
bool is_null(int fd) {
    struct stat is{}, null{};
    return ::fstat(fd, &is) == 0 && ::stat("/dev/null", &null) == 0 && is.st_rdev == null.st_rdev &&
           S_ISCHR(is.st_mode);
}

}  // namespace

TEST_CASE("standard streams: each that is closed is opened as /dev/null, and the others stay") {
    for (int closed = 0; closed < 8; ++closed)
        CHECK(code_of_child([closed] {
                  int pipe[2];
                  if (::pipe(pipe) != 0) return 1;
                  for (int fd : {0, 1, 2}) ::dup2(pipe[1], fd);
                  for (int fd : {0, 1, 2})
                      if (closed >> fd & 1) ::close(fd);
                  detail::open_missing_standard_streams();
                  for (int fd : {0, 1, 2})
                      if (is_null(fd) != bool(closed >> fd & 1)) return 2 + fd;
                  return 0;
              }) == 0);
}

TEST_CASE("standard streams: what stands in buffers is written, of iostreams without synchronisation, too") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    CHECK(code_of_child([&ends] {
              ::dup2(ends[1], 1);
              std::ios_base::sync_with_stdio(false);
              std::cout << "one ";
              std::fputs("two", stdout);
              detail::flush_standard_streams();
              return 0;
          }) == 0);
    ::close(ends[1]);
    char text[100] = {};
    std::string all;
    for (ssize_t n; (n = ::read(ends[0], text, sizeof text)) > 0;)
        all.append(text, static_cast<std::size_t>(n));
    ::close(ends[0]);
    CHECK(all.find("one ") != all.npos);
    CHECK(all.find("two") != all.npos);
}
