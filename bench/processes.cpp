// Two processes on two cores: request and reply, one and many in flight, and tells of 64 bytes.
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <magnetar/magnetar.hpp>

#include <atomic>

#include "support.hpp"

using namespace magnetar;

namespace {

// ---- the floors: each forks a process that answers, and is made before there is an arbiter

template <class F>
struct Child {
    explicit Child(F serve) : pid(::fork()) {
        if (pid != 0) return;
        bench::pin(1);
        serve();
        ::_exit(0);
    }
    ~Child() { ::waitpid(pid, nullptr, 0); }
    pid_t pid;
};

double raw_shared_memory(int count) {
    struct alignas(64) Word {
        std::atomic<int> value{0};
    };
    void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    auto* word = ::new (memory) Word[2];
    auto wait = [](Word& w, int value) {
        while (w.value.load(std::memory_order_acquire) != value) __builtin_ia32_pause();
    };
    double ns = 0;
    {
        Child child([&] {
            for (int i = 1; i <= count; ++i) {
                wait(word[0], i);
                word[1].value.store(i, std::memory_order_release);
            }
        });
        bench::Stopwatch watch;
        for (int i = 1; i <= count; ++i) {
            word[0].value.store(i, std::memory_order_release);
            wait(word[1], i);
        }
        ns = watch.ns() / count;
    }
    ::munmap(memory, 4096);
    return ns;
}

struct Sockets {
    Sockets() { ok = ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0; }
    ~Sockets() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    int ends[2];
    bool ok;
};
bool read_all(int fd, char* data, std::size_t size) {
    for (std::size_t got = 0; got < size;) {
        auto n = ::read(fd, data + got, size - got);
        if (n <= 0) return false;
        got += static_cast<std::size_t>(n);
    }
    return true;
}
bool write_all(int fd, const char* data, std::size_t size) {
    return ::write(fd, data, size) == static_cast<ssize_t>(size);
}

// Sends `batch` messages of 64 bytes to a process that echoes them; ns per message.
double raw_sockets(int count, int batch) {
    Sockets sockets;
    std::vector<char> data(64 * static_cast<std::size_t>(batch));
    Child child([&] {
        for (int i = 0; i < count; i += batch)
            if (!read_all(sockets.ends[1], data.data(), data.size()) ||
                !write_all(sockets.ends[1], data.data(), data.size()))
                return;
    });
    bench::Stopwatch watch;
    for (int i = 0; i < count; i += batch)
        if (!write_all(sockets.ends[0], data.data(), data.size()) ||
            !read_all(sockets.ends[0], data.data(), data.size()))
            break;
    return watch.ns() / count;
}
// Messages of 64 bytes one way, `batch` per write; M/s.
double raw_stream(int count, int batch) {
    Sockets sockets;
    std::vector<char> data(64 * static_cast<std::size_t>(batch));
    double ns = 0;
    {
        Child child([&] {
            std::vector<char> buffer(65536);
            for (std::size_t left = 64 * static_cast<std::size_t>(count); left > 0;) {
                auto n = ::read(sockets.ends[1], buffer.data(), buffer.size());
                if (n <= 0) return;
                left -= static_cast<std::size_t>(n);
            }
            write_all(sockets.ends[1], "", 1);
        });
        bench::Stopwatch watch;
        for (int i = 0; i < count; i += batch)
            if (!write_all(sockets.ends[0], data.data(), data.size())) break;
        char last = 0;
        read_all(sockets.ends[0], &last, 1);
        ns = watch.ns();
    }
    return count * 1e3 / ns;
}

struct Floors {
    double shared_memory, sockets, sockets_by_64, stream, stream_by_64;
} floors;

// ---- magnetar

struct Server {
    std::uint64_t sum = 0;
    std::uint64_t add(std::uint64_t by) { return sum += by; }
    void note(std::array<std::uint64_t, 8> words) { sum += words[0]; }
};

Task<> ask(ActorProxy<Server> server, int count) {
    for (int i = 0; i < count; ++i) co_await server.send<&Server::add>(1u);
}
Task<double> requests(ActorProxy<Server> server, int in_flight, int count) {
    bench::Samples times;
    while (times.more()) {
        std::vector<Task<>> tasks;
        for (int i = 0; i < in_flight; ++i) tasks.push_back(ask(server, count / in_flight));
        bench::Stopwatch watch;
        co_await when_all(std::move(tasks));
        times.add(watch.ns() / count);
    }
    co_return times.median();
}
Task<double> tells(ActorProxy<Server> server, int count) {
    std::array<std::uint64_t, 8> words{};
    bench::Samples rates;
    while (rates.more()) {
        bench::Stopwatch watch;
        for (int i = 0; i < count; ++i) co_await server.tell<&Server::note>(words);
        co_await server.send<&Server::add>(1u);
        rates.add(count * 1e3 / watch.ns());
    }
    co_return rates.median();
}

Task<> all() {
    auto server = co_await spawn<Server>({.start = [](Actor<Server>&) { bench::pin(1); }});
    bench::header();
    double one = co_await requests(server, 1, 10'000);
    bench::row("request and reply, beside shared memory and spinning", "µs", floors.shared_memory / 1e3,
               one / 1e3, "1.5");
    bench::row("the same beside a socket pair", "µs", floors.sockets / 1e3, one / 1e3, "");
    double many = co_await requests(server, 64, 200'000);
    bench::row("64 in flight, beside a socket pair by the 64", "M/s", 1e3 / floors.sockets_by_64, 1e3 / many,
               "3");
    double told = co_await tells(server, 200'000);
    bench::row("tells of 64 bytes, beside a socket pair", "M/s", floors.stream, told, "8");
    bench::row("the same beside a socket pair by the 64", "M/s", floors.stream_by_64, told, "");
}

}  // namespace

int main() {
    floors.shared_memory = bench::median([] { return raw_shared_memory(100'000); });
    floors.sockets = bench::median([] { return raw_sockets(5'000, 1); });
    floors.sockets_by_64 = bench::median([] { return raw_sockets(64 * 5'000, 64); });
    floors.stream = bench::median([] { return raw_stream(200'000, 1); });
    floors.stream_by_64 = bench::median([] { return raw_stream(64 * 20'000, 64); });
    return Arbiter<>({
                         .start = [](Arbiter<>& self) -> Task<> {
                             bench::pin(0);
                             co_await all();
                             self.stop();
                         },
                     })
        .run();
}
