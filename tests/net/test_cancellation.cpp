// Every network operation ends in each of these cases: it is cancelled before it is submitted, in flight, as
// it completes, and twice; it times out; its object is closed; its loop ends. No operation, buffer or
// descriptor is left then.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <sys/stat.h>
#include <iterator>
#include <magnetar/net/datagram.hpp>
#include <magnetar/net/detail/buffer_ring.hpp>
#include <magnetar/net/file.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/wire/json_codec.hpp>

#include <filesystem>
#include <optional>

#include "server_support.hpp"

using namespace magnetar;
using namespace magnetar::test;
using namespace std::chrono_literals;

namespace {

const SocketAddress any_port = SocketAddress::parse("127.0.0.1:0");
const std::string fifo_path = unique("/tmp/magnetar-test-fifo");
const std::string file_path = unique("/tmp/magnetar-test-file");

// Listens, but accepts no connection, as its backlog is full.
struct Deaf {
    Deaf() {
        REQUIRE(::bind(fd.get(), any_port.data(), any_port.size()) == 0);
        REQUIRE(::listen(fd.get(), 0) == 0);
        address = SocketAddress::of_socket(fd.get());
        for (auto& client : clients) {
            client = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            ::connect(client.get(), address.data(), address.size());
        }
    }
    UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    UniqueFd clients[2];
    SocketAddress address;
};
// The objects of the operations.
struct Scene {
    explicit Scene(std::pair<Stream, Stream> pair) : tcp(std::move(pair)) {}
    static Task<std::unique_ptr<Scene>> make() {
        auto pair = co_await tcp_pair();
        auto scene = std::make_unique<Scene>(std::move(pair));
        File opened = co_await File::open(fifo_path, OpenMode::read_write);
        scene->fifo.emplace(std::move(opened));
        co_return scene;
    }
    void close() {
        tcp.first.close();
        pipe.first.close();
        pipe.second.close();
        listener.close();
        datagrams.close();
        if (fifo) fifo->close();
    }
    std::pair<Stream, Stream> tcp, pipe = make_pipe();
    Listener listener = Listener::bind(any_port);
    DatagramSocket datagrams = DatagramSocket::bind(any_port), other = DatagramSocket::bind(any_port);
    std::optional<File> fifo;
    Deaf deaf;
    inline static const std::string large = pattern(8 << 20);
    std::vector<std::string_view> parts{large, large};
    char memory[8] = {};
};

struct Case {
    const char* name;
    Task<> (*start)(Scene&);
    bool ends_by_close;
};
const Case operations[] = {
    {"read_some", [](Scene& s) -> Task<> { co_await s.tcp.first.read_some(); }, true},
    {"read_some, while data comes",
     [](Scene& s) -> Task<> {
         co_await s.tcp.second.write("x");
         co_await s.tcp.first.read_some();
     },
     true},
    {"read_exactly, with a part",
     [](Scene& s) -> Task<> {
         co_await s.tcp.second.write("some");
         co_await s.tcp.first.read_exactly(5);
     },
     true},
    {"read_until, with a part",
     [](Scene& s) -> Task<> {
         co_await s.tcp.second.write("some");
         co_await s.tcp.first.read_until("\n");
     },
     true},
    {"write", [](Scene& s) -> Task<> { co_await s.tcp.first.write(s.large); }, true},
    {"write of little", [](Scene& s) -> Task<> { co_await s.tcp.first.write("x"); }, true},
    {"writev", [](Scene& s) -> Task<> { co_await s.tcp.first.writev(s.parts); }, true},
    {"shutdown", [](Scene& s) -> Task<> { co_await s.tcp.first.shutdown(); }, true},
    {"read of a pipe", [](Scene& s) -> Task<> { co_await s.pipe.first.read_some(); }, true},
    {"write to a pipe", [](Scene& s) -> Task<> { co_await s.pipe.second.write(s.large); }, true},
    {"writev to a pipe", [](Scene& s) -> Task<> { co_await s.pipe.second.writev(s.parts); }, true},
    {"accept", [](Scene& s) -> Task<> { co_await s.listener.accept(); }, true},
    {"connect, by name, and accept",
     [](Scene& s) -> Task<> {
         auto name = fmt::format("localhost:{}", s.listener.address().port());
         Stream client = co_await connect(name);
         co_await s.listener.accept();
     },
     false},
    {"connect, without an answer", [](Scene& s) -> Task<> { co_await connect(s.deaf.address); }, false},
    {"receive_from", [](Scene& s) -> Task<> { co_await s.datagrams.receive_from(); }, true},
    {"send_to and receive_from",
     [](Scene& s) -> Task<> {
         co_await s.datagrams.send_to("x", s.datagrams.address());
         co_await s.datagrams.receive_from();
     },
     true},
    {"read of a file without end", [](Scene& s) -> Task<> { co_await s.fifo->read(s.memory, 0); }, true},
    {"open, write, fsync, stat and read of a file",
     [](Scene& s) -> Task<> {
         File file = co_await File::open(file_path, OpenMode::read_write);
         co_await file.write(s.large, 0);
         co_await file.sync();
         co_await file.stat();
         co_await file.read_all();
     },
     false},
    {"resolve", [](Scene&) -> Task<> { co_await resolve("localhost:80"); }, false},
    {"a server, a client, and the server's close",
     [](Scene&) -> Task<> {
         TcpServer server{echo_back};
         co_await server.start_serving("127.0.0.1:0");
         Stream client = co_await connect(server.address());
         co_await client.write("x");
         co_await client.read_exactly(1);
         co_await server.close();
     },
     false},
};

// An event that an operation meets after `turns` turns; returns its outcome.
using Way = Task<std::string> (*)(EventLoop&, Scene&, const Case&, int turns);

Task<std::string> cancel(EventLoop& loop, Scene& scene, const Case& operation, int turns, int times) {
    auto job = loop.start(fate(operation.start(scene)));
    for (int i = 0; i < turns; ++i) co_await yield();
    for (int i = 0; i < times; ++i) job.cancel();
    co_return co_await job;
}
Task<std::string> cancel_once(EventLoop& loop, Scene& scene, const Case& operation, int turns) {
    return cancel(loop, scene, operation, turns, 1);
}
Task<std::string> cancel_twice(EventLoop& loop, Scene& scene, const Case& operation, int turns) {
    return cancel(loop, scene, operation, turns, 2);
}
Task<std::string> time_out(EventLoop&, Scene& scene, const Case& operation, int turns) {
    return fate(with_timeout(turns * 40us, operation.start(scene)));
}
Task<std::string> close_under(EventLoop& loop, Scene& scene, const Case& operation, int turns) {
    auto job = loop.start(fate(operation.start(scene)));
    for (int i = 0; i < turns; ++i) co_await yield();
    scene.close();
    if (!operation.ends_by_close) job.cancel();
    co_return co_await job;
}
struct NamedWay {
    const char* name;
    Way way;
};
constexpr NamedWay ways[] = {{"cancelled", cancel_once},
                             {"cancelled twice", cancel_twice},
                             {"timed out", time_out},
                             {"closed under", close_under}};
// Outcomes of an operation that was ended: mainly errors of a closed object.
bool is_an_end(const std::string& text) {
    for (std::string_view end :
         {"cancelled", "done", "Operation canceled", "Bad file descriptor", "timed out after"})
        if (text.find(end) != text.npos) return true;
    return false;
}

std::ptrdiff_t descriptors() {
    std::filesystem::directory_iterator all("/proc/self/fd"), end;
    return std::distance(all, end);
}
struct Files {
    Files() { REQUIRE(::mkfifo(fifo_path.c_str(), 0600) == 0); }
    ~Files() {
        ::unlink(fifo_path.c_str());
        ::unlink(file_path.c_str());
    }
};

}  // namespace

TEST_CASE("cancellation: every operation ends, whatever happens to it and when, and leaves nothing") {
    Files files;
    EventLoop loop;
    auto& ring = loop.local<detail::BufferRing>();
    loop.run(Scene::make());
    settle(loop);
    auto before = descriptors();
    for (auto& operation : operations) {
        CAPTURE(std::string(operation.name));
        for (auto& [name, way] : ways) {
            CAPTURE(std::string(name));
            for (int turns = 0; turns < 7; ++turns) {
                CAPTURE(turns);
                auto scene = loop.run(Scene::make());
                std::string end = loop.run(way(loop, *scene, operation, turns));
                CAPTURE(end);
                CHECK(is_an_end(end));
                scene.reset();
                settle(loop);
                CHECK(ring.free() == ring.total());
                // A look-up that was cancelled may still have a file open, on its thread.
                loop.run(with_timeout(20s, until([&] { return descriptors() == before; })));
            }
        }
    }
}

TEST_CASE("cancellation: a loop that ends in the middle of any operation ends the operation") {
    Files files;
    for (auto& operation : operations) {
        CAPTURE(std::string(operation.name));
        for (int turns = 0; turns < 5; ++turns) {
            auto before = descriptors();
            std::string end;
            {
                EventLoop loop;
                auto play = [](const Case& o, std::unique_ptr<Scene> scene, std::string& e) -> Task<> {
                    e = co_await fate(o.start(*scene));
                };
                auto scene = loop.run(Scene::make());
                loop.start(play(operation, std::move(scene), end)).detach();
                for (int i = 0; i < turns; ++i) loop.run(yield());
            }
            CAPTURE(end);
            CHECK((end.empty() || is_an_end(end)));
            CHECK(descriptors() == before);
        }
    }
}
