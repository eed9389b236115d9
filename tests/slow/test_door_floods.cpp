// Thousands of malicious clients: what the arbiter keeps for them is bounded, and others are served.
#include <fmt/core.h>

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include <magnetar/net/address.hpp>

#include "../actor/door_support.hpp"

using namespace magnetar;
using namespace magnetar::test;

struct Printer {
    std::string text(int size) { return std::string(static_cast<std::size_t>(size), 'x'); }
    using commands = Commands<&Printer::text>;
};

namespace {

// Descriptors for both ends of all of them.
bool raise_limit(rlim_t wanted) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur >= wanted) return true;
    files.rlim_cur = std::min(wanted, files.rlim_max);
    return ::setrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur >= wanted;
}

UniqueFd reach(const std::string& url) {
    auto address = SocketAddress::parse(url.starts_with("ws+") ? url.substr(3) : url.substr(5));
    UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), address.data(), address.size()) != 0) throw_system_error(errno, "connect");
    return fd;
}
void write_to(const UniqueFd& fd, std::string_view text) {
    [[maybe_unused]] auto n = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}
std::uint32_t connected(Arbiter<>& self) {
    return static_cast<std::uint32_t>(self.servers().begin()->second.info().connections);
}
Task<> must_answer(DoorClient& client) {
    std::string answer = co_await with_timeout(10s, client.ask(R"({"command":"ping","id":1})"));
    while (answer == "ping:") answer = co_await client.next();
    CHECK(answer == R"({"id":1,"result":"pong"})");
}
void must_have_kept(std::size_t before, std::size_t most) {
    if (!sanitized) CHECK(resident_bytes() < before + most);
}

}  // namespace

TEST_CASE("door: a thousand connections that say nothing hold little, and end") {
    REQUIRE(raise_limit(3000));
    with_door({.door = {.max_connections = 1100, .handshake_timeout = 2s}}, [](Arbiter<>& self) -> Task<> {
        auto other = co_await DoorClient::open(self.address());
        auto before = resident_bytes();
        std::vector<UniqueFd> silent;
        for (int i = 0; i < 1000; ++i) {
            silent.push_back(reach(self.address()));
            if (i % 50 != 0) continue;
            // Connections are accepted in order: when this one is served, no earlier one is in the
            // backlog, which blocking connects on the loop's own thread must not fill.
            auto fresh = co_await DoorClient::open(self.address());
            co_await must_answer(fresh);
            co_await must_answer(other);
        }
        bool all = co_await until([&] { return connected(self) > 900; });
        CHECK(all);
        must_have_kept(before, 32u << 20);
        co_await must_answer(other);
        bool gone = co_await until([&] { return connected(self) == 1; });
        CHECK(gone);
        co_await must_answer(other);
    });
}

TEST_CASE("door: a thousand clients that ask and never read are let go of, and hold little meanwhile") {
    REQUIRE(raise_limit(3000));
    static const std::string path = fmt::format("/tmp/magnetar-flood-{}.sock", ::getpid());
    static const std::string address = "unix:" + path;
    with_door({.address = address,
               .door = {.max_connections = 1100, .max_unsent = 16 << 10, .close_timeout = 500ms}},
              [](Arbiter<>& self) -> Task<> {
                  auto printer =
                      co_await spawn<Printer>({.name = "printer", .concurrency = Concurrency::coroutine});
                  auto other = co_await DoorClient::open(self.address());
                  std::string asking = std::string(DoorClient::head) + "\r\n";
                  for (int i = 0; i < 16; ++i)
                      asking += DoorClient::frame(
                          Opcode::text, R"({"command":"text","id":1,"target":"printer","args":[20000]})");
                  auto before = resident_bytes();
                  std::size_t most = 0;
                  std::vector<UniqueFd> deaf;
                  for (int i = 0; i < 1000; ++i) {
                      deaf.push_back(reach(self.address()));
                      write_to(deaf.back(), asking);
                      if (i % 50 != 0) continue;
                      co_await must_answer(other);
                      most = std::max(most, resident_bytes());
                  }
                  if (!sanitized) CHECK(most < before + (150u << 20));
                  bool gone = co_await until([&] { return connected(self) == 1; }, 60s);
                  CHECK(gone);
                  co_await must_answer(other);
              });
    ::unlink(path.c_str());
}

TEST_CASE("door: ten thousand connections that come and are reset leave nothing") {
    REQUIRE(raise_limit(3000));
    with_door({}, [](Arbiter<>& self) -> Task<> {
        auto other = co_await DoorClient::open(self.address());
        std::size_t before = 0, fds = open_fds();
        std::string whole = std::string(DoorClient::head) + "\r\n" +
                            DoorClient::frame(Opcode::text, R"({"command":"ping","id":1})");
        for (int i = 0; i < 10'000; ++i) {
            {
                UniqueFd fd = reach(self.address());
                // Nothing, a part of a handshake, or that and a request.
                if (i % 3 == 1) write_to(fd, whole.substr(0, static_cast<std::size_t>(i) % whole.size()));
                if (i % 3 == 2) write_to(fd, whole);
                linger reset{1, 0};
                ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            }
            if (i % 50 != 0) continue;
            // Connections are accepted in order: when this one is served, no earlier one is in the
            // backlog, which blocking connects on the loop's own thread must not fill.
            auto fresh = co_await DoorClient::open(self.address());
            co_await must_answer(fresh);
            co_await must_answer(other);
            if (i == 1000) before = resident_bytes();
        }
        bool gone = co_await until([&] { return connected(self) == 1; });
        CHECK(gone);
        CHECK(open_fds() <= fds + 2);
        must_have_kept(before, 16u << 20);
        co_await must_answer(other);
    });
}
