#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/net/file.hpp>

#include "net_support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

struct Folder {
    Folder() { REQUIRE(::mkdtemp(name) != nullptr); }
    ~Folder() {
        for (const char* file : {"a", "b", "log"}) ::unlink((*this / file).c_str());
        CHECK(::rmdir(name) == 0);  // nothing else was left
    }
    std::string operator/(const char* file) const { return std::string(name) + "/" + file; }
    char name[32] = "/tmp/magnetar-test-XXXXXX";
};

}  // namespace

TEST_CASE("file: written, read at offsets, read whole") {
    EventLoop loop;
    Folder folder;
    loop.run([](std::string path) -> Task<> {
        std::string text = pattern(300'000);
        {
            File file = co_await File::open(path, OpenMode::read_write);
            CHECK(&file.loop() == EventLoop::current());
            CHECK(file.path() == path);
            co_await file.write(text, 0);
            co_await file.write("HERE", 1000);
            co_await file.sync();
            char four[4];
            CHECK(co_await file.read(four, 1000) == 4);
            CHECK(std::string(four, 4) == "HERE");
            CHECK(co_await file.read(four, text.size() - 2) == 2);
            CHECK(co_await file.read(four, text.size()) == 0);
            FileStatus status = co_await file.stat();
            CHECK(status.size == text.size());
            CHECK(status.is_regular());
        }
        text.replace(1000, 4, "HERE");
        CHECK(co_await read_file(path) == text);
        File again = co_await File::open(path, OpenMode::write);
        CHECK((co_await stat_file(path)).size == 0);
    }(folder / "a"));
    settle(loop);
}

TEST_CASE("file: append goes to the end, also of what another appended") {
    EventLoop loop;
    Folder folder;
    loop.run([](std::string path) -> Task<> {
        File one = co_await File::open(path, OpenMode::append),
             other = co_await File::open(path, OpenMode::append);
        co_await one.append("1\n");
        co_await other.append("2\n");
        co_await one.append("3\n");
        CHECK(co_await read_file(path) == "1\n2\n3\n");
        co_await when_all(one.append("x\n"), other.append("x\n"), one.append("x\n"));
        CHECK((co_await read_file(path)).size() == 12);
    }(folder / "log"));
}

TEST_CASE("file: replaced in one step, and files that do not tell their size") {
    EventLoop loop;
    Folder folder;
    loop.run([](std::string path) -> Task<> {
        co_await write_file(path, "one");
        File old = co_await File::open(path);
        co_await write_file(path, "two, longer");
        CHECK(co_await old.read_all() == "one");
        CHECK(co_await read_file(path) == "two, longer");
        co_await write_file(path, "");
        CHECK(co_await read_file(path) == "");
        CHECK((co_await read_file("/proc/self/status")).starts_with("Name:"));
    }(folder / "a"));
}

TEST_CASE("file: stat tells size, time and kind") {
    EventLoop loop;
    Folder folder;
    loop.run([](std::string path, std::string parent) -> Task<> {
        co_await write_file(path, "12345");
        FileStatus status = co_await stat_file(path);
        CHECK(status.size == 5);
        CHECK(status.is_regular());
        CHECK_FALSE(status.is_directory());
        struct stat expected;
        REQUIRE(::stat(path.c_str(), &expected) == 0);
        CHECK(std::chrono::system_clock::to_time_t(status.modified) == expected.st_mtim.tv_sec);
        CHECK(status.mode == expected.st_mode);
        CHECK((co_await stat_file(parent)).is_directory());
    }(folder / "a", folder.name));
}

TEST_CASE("file: failures name the path") {
    EventLoop loop;
    Folder folder;
    CHECK(loop.run(fate(File::open("/nowhere/at/all"))) == "open /nowhere/at/all: No such file or directory");
    CHECK(loop.run(fate(stat_file("/nowhere"))) == "stat /nowhere: No such file or directory");
    CHECK(loop.run(fate(read_file("/tmp"))) == "read /tmp: Is a directory");
    CHECK(loop.run(fate(write_file("/nowhere/at/all", "x"))).starts_with("open /nowhere/at/all"));
    loop.run([](std::string path) -> Task<> {
        co_await write_file(path, "x");
        File file = co_await File::open(path);
        CHECK(co_await fate(file.write("y", 0)) == "write " + path + ": Bad file descriptor");
        char one[1];
        file.close();
        CHECK(co_await fate(file.read(one, 0)) == "read " + path + ": Bad file descriptor");
        CHECK(ends_with(co_await fate(file.sync()), "Bad file descriptor"));
        CHECK(ends_with(co_await fate(file.stat()), "Bad file descriptor"));
    }(folder / "a"));
}

TEST_CASE("file: cancelled at any moment; no operation and no descriptor is left") {
    EventLoop loop;
    Folder folder;
    loop.run([](EventLoop& l, std::string path) -> Task<> {
        std::string text = pattern(2 << 20);
        co_await write_file(path, text);
        co_await until([&l] { return l.info().operations == 0; });
        int before = ::dup(0);
        ::close(before);
        for (int turns = 0; turns < 10; ++turns) {
            auto reading = l.start(fate(read_file(path)));
            auto writing = l.start(fate(write_file(path + "-b", text)));
            for (int i = 0; i < turns; ++i) co_await yield();
            reading.cancel();
            reading.cancel();
            writing.cancel();
            auto end = co_await reading;
            CHECK((end == "cancelled" || end == text));
            auto wrote = co_await writing;
            CHECK((wrote == "cancelled" || wrote == "done"));
        }
        co_await until([&l] { return l.info().operations == 0; });
        int after = ::dup(0);
        ::close(after);
        CHECK(after == before);
    }(loop, folder / "a"));
}

TEST_CASE("file: a pipe's read is cancelled and closed under") {
    EventLoop loop;
    Folder folder;
    auto path = folder / "a";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    loop.run([](EventLoop& l, std::string name) -> Task<> {
        File file = co_await File::open(name, OpenMode::read_write);
        char memory[8];
        auto read = [](File& f, std::span<char> m) -> Task<std::size_t> { co_return co_await f.read(m, 0); };
        auto first = l.start(fate(read(file, memory)));
        co_await sleep(std::chrono::milliseconds(2));
        first.cancel();
        CHECK(co_await first == "cancelled");
        auto second = l.start(fate(read(file, memory)));
        co_await sleep(std::chrono::milliseconds(2));
        file.close();
        CHECK(ends_with(co_await second, "Operation canceled"));
    }(loop, path));
    settle(loop);
}

namespace {

mode_t mode_of(const std::string& path) {
    struct stat status{};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status.st_mode;
}

}  // namespace

TEST_CASE("file: replaced, it keeps its mode; a new one is made as by open") {
    EventLoop loop;
    Folder folder;
    loop.run([](std::string path, std::string other) -> Task<> {
        co_await write_file(path, "new");
        mode_t mask = ::umask(0);
        ::umask(mask);
        CHECK((mode_of(path) & 07777) == (0644 & ~mask));
        for (mode_t mode : {0600, 0640, 0755, 0400, 0666}) {
            REQUIRE(::chmod(path.c_str(), mode) == 0);
            co_await write_file(path, "again");
            CHECK((mode_of(path) & 07777) == mode);
            auto text = co_await read_file(path);
            CHECK(text == "again");
        }
        if (::geteuid() == 0) {
            co_await write_file(other, "theirs");
            REQUIRE(::chown(other.c_str(), 12345, 54321) == 0);
            REQUIRE(::chmod(other.c_str(), 04711) == 0);
            co_await write_file(other, "replaced");
            struct stat status{};
            REQUIRE(::stat(other.c_str(), &status) == 0);
            CHECK(status.st_uid == 12345);
            CHECK(status.st_gid == 54321);
            CHECK((status.st_mode & 07777) == 04711);
        }
    }(folder / "a", folder / "b"));
}

TEST_CASE("file: through a symbolic link the file behind it is replaced, also one that is not there yet") {
    EventLoop loop;
    Folder folder;
    loop.run([](std::string link, std::string target, std::string second) -> Task<> {
        REQUIRE(::symlink("b", link.c_str()) == 0);
        REQUIRE(::symlink(link.c_str(), second.c_str()) == 0);
        co_await write_file(link, "made");
        auto text = co_await read_file(target);
        CHECK(text == "made");
        co_await write_file(second, "replaced");
        text = co_await read_file(target);
        CHECK(text == "replaced");
        CHECK(S_ISLNK(mode_of(link)));
        CHECK(S_ISLNK(mode_of(second)));
        CHECK(S_ISREG(mode_of(target)));
    }(folder / "a", folder / "b", folder / "log"));
}

TEST_CASE("file: links in a circle, directories and pipes are not replaced") {
    EventLoop loop;
    Folder folder;
    auto link = folder / "a", pipe = folder / "b";
    REQUIRE(::symlink("a", link.c_str()) == 0);
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK(loop.run(fate(write_file(link, "x"))) == "open " + link + ": Too many levels of symbolic links");
    CHECK(loop.run(fate(write_file(pipe, "x"))) == "replace " + pipe + ": Invalid argument");
    CHECK(loop.run(fate(write_file("/tmp", "x"))) == "replace /tmp: Is a directory");
    CHECK(S_ISLNK(mode_of(link)));
    CHECK(S_ISFIFO(mode_of(pipe)));
}

TEST_CASE("file: of many writers at once one's text stays, whole") {
    EventLoop loop;
    Folder folder;
    loop.run([](EventLoop& l, std::string path) -> Task<> {
        std::vector<std::string> texts;
        for (char c = 'a'; c < 'i'; ++c) texts.emplace_back(50'000, c);
        for (int round = 0; round < 5; ++round) {
            std::vector<Job<std::string>> writers;
            for (const auto& text : texts) writers.push_back(l.start(fate(write_file(path, text))));
            for (auto& writer : writers) CHECK(co_await writer == "done");
            auto text = co_await read_file(path);
            CHECK(std::count(texts.begin(), texts.end(), text) == 1);
        }
    }(loop, folder / "a"));
}
