#pragma once
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/connect.hpp>
#include <magnetar/net/listener.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace magnetar::test {

/// Runs turns of the loop until every operation begun is submitted to the kernel.
inline Task<> a_few_turns() {
    for (int i = 0; i < 4; ++i) co_await sleep(std::chrono::milliseconds(0));
}

/// Runs `done()` after each turn until it holds.
template <class F>
Task<> until(F done) {
    while (!done()) co_await sleep(std::chrono::microseconds(100));
}

/// Runs the loop until no operation is in flight.
inline void settle(EventLoop& loop) {
    loop.run(until([&] { return loop.info().operations == 0; }));
}

/// The outcome of awaiting it, as a text: the value, `done`, `cancelled` or the exception's text.
template <class A>
Task<std::string> fate(A awaitable) {
    try {
        using T = await_result_t<A>;
        if constexpr (std::is_void_v<T>) {
            co_await std::move(awaitable);
            co_return "done";
        } else if constexpr (std::is_convertible_v<T, std::string_view>) {
            co_return std::string(std::string_view(co_await std::move(awaitable)));
        } else {
            (void)co_await std::move(awaitable);
            co_return "done";
        }
    } catch (const Cancelled&) {
        co_return "cancelled";
    } catch (const std::exception& error) {
        co_return error.what();
    }
}
inline bool ends_with(const std::string& text, std::string_view end) { return text.ends_with(end); }

/// Two ends of one TCP connection.
inline Task<std::pair<Stream, Stream>> tcp_pair(std::string address = "127.0.0.1:0") {
    Listener listener = Listener::bind(SocketAddress::parse(address));
    Stream client = co_await connect(listener.address());
    Stream server = co_await listener.accept();
    co_return std::pair<Stream, Stream>{std::move(client), std::move(server)};
}

inline Task<std::string> read_once(Stream& stream) {
    auto data = co_await stream.read_some();
    co_return data.to_string();
}
inline Task<std::string> read_to_end(Stream& stream) {
    std::string text;
    while (auto data = co_await stream.read_some()) text.append(data.begin(), data.end());
    co_return text;
}

/// During its lifetime at most this number of descriptors may be open, or the hard limit if that is lower.
struct DescriptorLimit {
    explicit DescriptorLimit(rlim_t number) {
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        rlimit now{std::min(number, before.rlim_max), before.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &now) == 0);
    }
    ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before); }
    rlimit before;
};
/// For tests of many connections, which must also run with a low limit.
struct ManyDescriptors : DescriptorLimit {
    ManyDescriptors() : DescriptorLimit(RLIM_INFINITY) {}
};

/// The address of a unix socket, or a path, that no other run of the tests uses at the same time.
inline std::string unique(std::string_view name) { return fmt::format("{}-{}", name, ::getpid()); }

/// A text in which every position is distinguishable from the others.
inline std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 2654435761U >> 13);
    return text;
}

}  // namespace magnetar::test
