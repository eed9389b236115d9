#include <doctest/doctest.h>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/coro/when_any.hpp>
#include <magnetar/net/stream.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <array>

#include "net_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace std::chrono_literals;

namespace {

using Pair = std::pair<Stream, Stream>;

// Every kind of stream: what is written to `first` is read from `second`.
enum class Kind { tcp4, tcp6, unix_pair, pipe };
constexpr std::array kinds{Kind::tcp4, Kind::tcp6, Kind::unix_pair, Kind::pipe};

Task<Pair> make(Kind kind) {
    switch (kind) {
        case Kind::tcp4:
            co_return co_await tcp_pair("127.0.0.1:0");
        case Kind::tcp6:
            co_return co_await tcp_pair("[::1]:0");
        case Kind::unix_pair:
            co_return make_stream_pair();
        case Kind::pipe:
            break;
    }
    auto [in, out] = make_pipe();
    co_return Pair{std::move(out), std::move(in)};
}
template <class F>
void on_every_kind(F body) {
    for (Kind kind : kinds) {
        CAPTURE(static_cast<int>(kind));
        EventLoop loop;
        Pair pair = loop.run(make(kind));
        loop.run(body(loop, pair.first, pair.second));
    }
}
void on_tcp(Task<> (*body)(EventLoop&, Stream&, Stream&)) {
    EventLoop loop;
    Pair pair = loop.run(make(Kind::tcp4));
    loop.run(body(loop, pair.first, pair.second));
}
Task<> write_all(Stream& stream, const std::string& text) {
    co_await stream.write(text);
    co_await stream.shutdown();
}

}  // namespace

TEST_CASE("stream: what is written is read, a little and a lot, then the end") {
    on_every_kind([](EventLoop&, Stream& out, Stream& in) -> Task<> {
        co_await out.write("hello");
        CHECK(co_await read_once(in) == "hello");
        std::string sent = pattern(3 << 20);
        auto both = co_await when_all(write_all(out, sent), read_to_end(in));
        CHECK(std::get<1>(both) == sent);
        CHECK_FALSE(bool(co_await in.read_some()));
        CHECK_FALSE(bool(co_await in.read_some()));
        CHECK(in.bytes_in() == 5 + sent.size());
        CHECK(out.bytes_out() == 5 + sent.size());
    });
}

TEST_CASE("stream: read_exactly and read_until leave the rest to the next read") {
    on_every_kind([](EventLoop&, Stream& out, Stream& in) -> Task<> {
        co_await out.write("abcdefGET /\r\n\r\nbody, tail");
        CHECK(co_await in.read_exactly(3) == "abc");
        CHECK(co_await in.read_exactly(0) == "");
        CHECK(co_await in.read_exactly(3) == "def");
        CHECK(co_await in.read_until("\r\n") == "GET /\r\n");
        CHECK(co_await in.read_until("\r\n") == "\r\n");
        CHECK(co_await in.read_until(",", 5) == "body,");
        CHECK(co_await read_once(in) == " tail");
        co_await out.shutdown();
        CHECK(co_await in.read_until("\n") == "");
    });
}

TEST_CASE("stream: a message in pieces, byte by byte, and delimiters that come in two") {
    on_every_kind([](EventLoop& loop, Stream& out, Stream& in) -> Task<> {
        auto dribble = loop.start([](Stream& stream) -> Task<> {
            for (char c : std::string("one--->two-->three")) {
                co_await stream.write(std::string_view(&c, 1));
                co_await yield();
            }
            co_await stream.shutdown();
        }(out));
        CHECK(co_await in.read_until("-->") == "one--->");
        CHECK(co_await in.read_exactly(3) == "two");
        CHECK(co_await in.read_until("-->") == "-->");
        CHECK(ends_with(co_await fate(in.read_until("-->")), "the stream ended after 5 bytes of a message"));
        co_await dribble;
    });
}

TEST_CASE("stream: an error names a unix socket without a name by its kind and descriptor") {
    EventLoop loop;
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    loop.run([](UniqueFd to, UniqueFd from) -> Task<> {
        Stream out(std::move(to)), in(std::move(from));
        co_await out.write("abc");
        CHECK(
            ends_with(co_await fate(in.read_until("\n", 2)),
                      fmt::format("read a unix socket (fd {}): no end of the line within 2 bytes", in.fd())));
    }(UniqueFd(fds[0]), UniqueFd(fds[1])));
}

TEST_CASE("stream: the end inside a message, and one without an end") {
    on_tcp([](EventLoop&, Stream& out, Stream& in) -> Task<> {
        co_await out.write(std::string(300, 'x'));
        CHECK(ends_with(co_await fate(in.read_until("\n", 100)), "no end of the line within 100 bytes"));
        co_await out.write("yz");
        co_await out.shutdown();
        bool ended = false;
        try {
            co_await in.read_exactly(400);
        } catch (const EndOfStream& error) {
            ended = true;
            CHECK(std::string(error.what()) ==
                  "read " + in.peer().to_string() + ": the stream ended after 2 bytes of a message");
        }
        CHECK(ended);
    });
    on_tcp([](EventLoop&, Stream& out, Stream& in) -> Task<> {
        co_await out.write("12345;67890;");
        CHECK(co_await in.read_until(";", 6) == "12345;");
        CHECK(ends_with(co_await fate(in.read_until(";", 5)), "within 5 bytes"));
        CHECK_THROWS_AS(co_await in.read_until(""), std::invalid_argument);
    });
}

TEST_CASE("stream: writev sends all parts in order") {
    on_every_kind([](EventLoop&, Stream& out, Stream& in) -> Task<> {
        std::string large = pattern(600'000);
        std::vector<std::string_view> parts{"head", "", large, "tail"};
        for (int i = 0; i < 3000; ++i) parts.push_back("0123456789");
        std::string all;
        for (auto part : parts) all += part;
        auto send = [](Stream& stream, std::span<const std::string_view> p) -> Task<> {
            co_await stream.writev(p);
            co_await stream.shutdown();
        };
        auto both = co_await when_all(send(out, parts), read_to_end(in));
        CHECK(std::get<1>(both) == all);
        CHECK(out.bytes_out() == all.size());
    });
}

TEST_CASE("stream: shutdown ends one direction only") {
    on_tcp([](EventLoop&, Stream& one, Stream& other) -> Task<> {
        co_await one.shutdown();
        co_await one.shutdown();
        CHECK_FALSE(bool(co_await other.read_some()));
        co_await other.write("still");
        CHECK(co_await read_once(one) == "still");
        CHECK(ends_with(co_await fate(one.write("x")), "Broken pipe"));
    });
}

TEST_CASE("stream: a peer that has gone is an error, named") {
    on_tcp([](EventLoop&, Stream& one, Stream& other) -> Task<> {
        linger hard{1, 0};
        ::setsockopt(other.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        other.close();
        auto name = one.peer().to_string();
        CHECK(co_await fate(one.read_some()) == "read " + name + ": Connection reset by peer");
        CHECK(co_await fate(one.read_some()) == "read " + name + ": Connection reset by peer");
        CHECK(co_await fate(one.write("x")) == "write " + name + ": Broken pipe");
    });
    EventLoop loop;
    auto pipe = loop.run(make(Kind::pipe));
    pipe.second.close();
    loop.run(a_few_turns());
    CHECK(ends_with(loop.run(fate(pipe.first.write("x"))), "Broken pipe"));
}

TEST_CASE("stream: one reader and one writer at a time") {
    on_tcp([](EventLoop& loop, Stream& one, Stream& other) -> Task<> {
        auto first = loop.start(read_once(one));
        co_await yield();
        CHECK(co_await fate(one.read_some()) == "read of a stream that another coroutine is reading");
        co_await other.write("x");
        CHECK(co_await first == "x");
        std::string large = pattern(8 << 20);
        auto writer = loop.start(write_all(one, large));
        co_await yield();
        CHECK(co_await fate(one.write("y")) == "write to a stream that another coroutine is writing to");
        std::string_view part = "y";
        CHECK(co_await fate(one.writev(std::span(&part, 1))) ==
              "write to a stream that another coroutine is writing to");
        CHECK(co_await read_to_end(other) == large);
        co_await writer;
    });
}

TEST_CASE("stream: data that came before its reader woke stays its reader's") {
    on_tcp([](EventLoop& loop, Stream& one, Stream& other) -> Task<> {
        auto first = loop.start(read_once(one));
        co_await a_few_turns();
        co_await other.write("x");
        std::string second;
        while (!first.done()) {
            second = co_await fate(one.read_some());
            if (second == "read of a stream that another coroutine is reading") second.clear();
            else break;
            co_await yield();
        }
        CHECK(co_await first == "x");
        CHECK(second == "");
    });
}

// ---- cancellation

TEST_CASE("stream: a cancelled read loses nothing, whenever it comes") {
    for (int when = 0; when < 8; ++when) {
        for (int times : {1, 2}) {
            on_every_kind([when, times](EventLoop& loop, Stream& out, Stream& in) -> Task<> {
                return [](EventLoop& l, Stream& o, Stream& i, int w, int n) -> Task<> {
                    auto job = l.start(fate(i.read_some()));
                    auto writer = l.start(as_task(o.write("kept")));
                    for (int turn = 0; turn < w; ++turn) co_await yield();
                    for (int k = 0; k < n; ++k) job.cancel();
                    auto end = co_await job;
                    CHECK((end == "cancelled" || end == "kept"));
                    if (end == "cancelled") CHECK(co_await read_once(i) == "kept");
                    co_await writer;
                }(loop, out, in, when, times);
            });
        }
    }
}

TEST_CASE("stream: a read cancelled in flight ends at once; the next gets what comes") {
    on_every_kind([](EventLoop& loop, Stream& out, Stream& in) -> Task<> {
        for (int i = 0; i < 3; ++i) {
            auto job = loop.start(fate(in.read_some()));
            co_await a_few_turns();
            job.cancel();
            job.cancel();
            CHECK(co_await job == "cancelled");
        }
        CHECK_THROWS_AS(co_await with_timeout(1ms, in.read_some()), TimeoutError);
        co_await out.write("x");
        CHECK(co_await read_once(in) == "x");
        auto first = co_await when_any(in.read_some(), sleep(0ms));
        CHECK(first.index() == 1);
        co_await out.write("y");
        CHECK(co_await read_once(in) == "y");
    });
}

TEST_CASE("stream: a cancelled write ends; what was sent is a beginning of it") {
    for (int when = 0; when < 6; ++when) {
        on_every_kind([when](EventLoop& loop, Stream& out, Stream& in) -> Task<> {
            return [](EventLoop& l, Stream& o, Stream& i, int w) -> Task<> {
                std::string large = pattern(16 << 20);
                auto job = l.start(fate(o.write(large)));
                for (int turn = 0; turn < w; ++turn) co_await sleep(0ms);
                job.cancel();
                CHECK(co_await job == "cancelled");
                o.close();
                auto got = co_await read_to_end(i);
                CHECK(got.size() < large.size());
                CHECK(std::string_view(large).substr(0, got.size()) == got);
            }(loop, out, in, when);
        });
    }
}

TEST_CASE("stream: writev, read_exactly and read_until are cancelled too") {
    on_tcp([](EventLoop& loop, Stream& one, Stream& other) -> Task<> {
        std::string large = pattern(32 << 20);
        std::string_view part = large;
        auto writer = loop.start(fate(one.writev(std::span(&part, 1))));
        auto line = loop.start(fate(one.read_until("\n")));
        co_await a_few_turns();
        writer.cancel();
        line.cancel();
        CHECK(co_await writer == "cancelled");
        CHECK(co_await line == "cancelled");
        auto exact = loop.start(fate(one.read_exactly(5)));
        co_await other.write("1234");
        co_await a_few_turns();
        exact.cancel();
        CHECK(co_await exact == "cancelled");
    });
}

TEST_CASE("stream: the job of a stream is destroyed with its loop, in every state") {
    for (int turns = 0; turns < 4; ++turns) {
        EventLoop loop;
        loop.start([](int n) -> Task<> {
                auto [one, other] = make_stream_pair();
                std::string large = pattern(1 << 20);
                if (n % 2) co_await other.write("x");
                co_await when_all(read_to_end(one), one.write(large));
            }(turns))
            .detach();
        for (int i = 0; i < turns; ++i) loop.run(yield());
    }
}

// ---- closing

TEST_CASE("stream: closed under its reader and its writer; used after it") {
    on_every_kind([](EventLoop& loop, Stream& out, Stream& in) -> Task<> {
        std::string large = pattern(16 << 20);
        auto reader = loop.start(fate(in.read_some()));
        co_await a_few_turns();
        in.close();
        in.close();
        CHECK(co_await reader == "read a stream that was closed: Operation canceled");
        CHECK(ends_with(co_await fate(in.read_some()), "Bad file descriptor"));
        CHECK_FALSE(in.is_open());
        (void)out;
    });
    on_every_kind([](EventLoop& loop, Stream& out, Stream&) -> Task<> {
        std::string large = pattern(16 << 20);
        auto writer = loop.start(fate(out.write(large)));
        co_await a_few_turns();
        out.close();
        CHECK(co_await writer == "write a stream that was closed: Operation canceled");
        CHECK(ends_with(co_await fate(out.write("x")), "Bad file descriptor"));
        CHECK(ends_with(co_await fate(out.write("")), "Bad file descriptor"));
    });
}

TEST_CASE("stream: destroyed under its reader, the reader is told") {
    EventLoop loop;
    loop.run([](EventLoop& l) -> Task<> {
        std::optional<Pair> pair(make_stream_pair());
        auto reader = l.start(fate(pair->first.read_some()));
        co_await a_few_turns();
        pair.reset();
        CHECK(co_await reader == "read a stream that was closed: Operation canceled");
    }(loop));
    CHECK(loop.info().operations == 0);
}

TEST_CASE("stream: closing frees the descriptor only behind operations that name it") {
    // The descriptor of a closed stream is reused at once; a receive not yet submitted must not read from the
    // new one.
    EventLoop loop;
    loop.run([](EventLoop& l) -> Task<> {
        for (int round = 0; round < 50; ++round) {
            std::optional<Pair> old(make_stream_pair());
            auto reader = l.start(fate(old->first.read_some()));
            co_await yield();
            old.reset();
            auto fresh = make_stream_pair();
            REQUIRE(::send(fresh.second.fd(), "mine", 4, 0) == 4);
            CHECK(co_await read_once(fresh.first) == "mine");
            co_await reader;
        }
    }(loop));
}

TEST_CASE("stream: closed, the peer reads the end") {
    on_every_kind([](EventLoop&, Stream& out, Stream& in) -> Task<> {
        co_await out.write("last words");
        { Stream dying = std::move(out); }
        CHECK(co_await read_to_end(in) == "last words");
    });
}

TEST_CASE("stream: moved from, it says so; moved to, it goes on") {
    on_tcp([](EventLoop& loop, Stream& one, Stream& other) -> Task<> {
        Stream moved = std::move(one);
        CHECK_FALSE(one.is_open());
        CHECK_THROWS_AS(one.loop(), std::logic_error);
        CHECK_THROWS_AS((void)one.read_some(), std::logic_error);
        CHECK(&moved.loop() == &loop);
        co_await other.write("x");
        CHECK(co_await read_once(moved) == "x");
        CHECK(moved.address() == other.peer());
        one = std::move(moved);
        CHECK(one.is_open());
    });
    CHECK_THROWS_AS(Stream{UniqueFd{}}, std::logic_error);
}

TEST_CASE("stream: a descriptor that does not block is taken over, too") {
    EventLoop loop;
    loop.run([]() -> Task<> {
        int fds[2];
        REQUIRE(::pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
        Stream in{UniqueFd(fds[0])}, out{UniqueFd(fds[1])};
        auto both = co_await when_all(read_once(in), out.write("x"));
        CHECK(std::get<0>(both) == "x");
    }());
}
