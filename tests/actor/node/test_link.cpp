#include <magnetar/actor/node/link.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/core.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <csignal>
#include <cstring>

#include "link_support.hpp"

using namespace magnetar;
using namespace magnetar::test;

namespace {

Task<int> links_of(Actor<>&) { co_return static_cast<int>(detail::the_node->links()); }
Task<int> exchange_with(Actor<>&, ActorProxy<> other, int count) {
    int answered = 0;
    for (int i = 0; i < count; ++i) {
        auto same = co_await send(other, echo, i);
        answered += same == i;
    }
    co_return answered;
}
Task<std::string> relay_ping(Actor<>&, ActorProxy<> other) { co_return co_await send(other, ping); }

// From one node to another.
std::vector<std::vector<std::byte>> nonsense(std::uint32_t from, std::uint32_t to) {
    auto nothing = [](Writer&) {};
    std::vector<std::vector<std::byte>> all;
    all.push_back(bytes_of("GET / HTTP/1.1\r\n\r\n"));
    all.push_back(std::vector<std::byte>(4096, std::byte{0xff}));
    all.push_back(frame_of(static_cast<Packet>(99), nothing));
    all.push_back(frame_of(Packet::request, nothing));
    all.push_back(frame_of(Packet::answer, [](Writer& out) { out.put(std::uint64_t{1} << 60); }));
    all.push_back(frame_of(Packet::credit, [](Writer& out) {
        out.put(std::uint64_t{1});
        out.put(std::uint32_t{1000});
    }));
    all.push_back(frame_of(Packet::peer, [](Writer& out) { out.put(std::uint32_t{7}); }));
    all.push_back(frame_of(Packet::hello, [](Writer& out) {
        detail::Hello hello;
        hello.magic = 1;
        encode(out, hello);
    }));
    auto hello = [from](const std::string& build, const std::string& commands) {
        return [=](Writer& out) {
            detail::Hello said;
            said.node = from;
            said.features["build"] = build;
            said.features["commands"] = commands;
            encode(out, said);
        };
    };
    all.push_back(frame_of(Packet::hello, hello(detail::build_id(), "those of another image")));
    all.push_back(frame_of(Packet::hello, hello("another build", detail::command_table_mark())));
    auto call = [](std::uint32_t command, std::uint64_t where, std::uint64_t sender = 0) {
        return [=](Writer& out) {
            out.put(std::uint64_t{1});
            out.put(command);
            out.put(std::uint64_t{1});
            out.put(where);
            out.put(sender);
            out.put(sender);
        };
    };
    all.push_back(frame_of(Packet::request, call(~0u, 1)));                             // no such command
    all.push_back(frame_of(Packet::request, call(0, std::uint64_t{0xfff} << 40 | 1)));  // another host
    // In the arbiter's name: its id is 1, and so is its location on the wire.
    all.push_back(frame_of(Packet::request, call(0, detail::Location(to, 0, 0).to_wire(), 1)));
    // The same as text: of unknown kind, without its members, an answer without a request, and in the
    // arbiter's name.
    std::string target =
        fmt::format(R"("target":{{"id":"arbiter","where":{}}})", detail::Location(to, 0, 0).to_wire());
    for (const std::string& text :
         {std::string("{"), std::string("[]"), std::string(R"({"command":"unknown"})"),
          std::string(R"({"command":"callback","id":1152921504606846976,"result":1})"),
          std::string(R"({"command":"callback","id":-1,"error":{}})"),
          std::string(R"({"command":"credit","actor":"0000000000000009","count":1,"bytes":1})"),
          std::string(R"({"command":"credit","actor":7,"count":1,"bytes":1})"),
          std::string(R"({"command":"introduction","node":7})"),
          std::string(R"({"command":"hello","hello":{}})"),
          std::string(R"({"command":"ping","args":[],"id":1})"),
          fmt::format(R"({{"command":"no such","args":[],{}}})", target),
          fmt::format(R"({{"command":"ping","args":[1],{}}})", target),
          fmt::format(R"({{"command":"ping","args":[],"id":1,"sender":{{"id":"arbiter","where":1}},{}}})",
                      target)})
        all.push_back(text_frame_of(text));
    return all;
}

}  // namespace

TEST_CASE("link: workers speak to each other on a link of their own, made on first use, both at once") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto a = co_await spawn({});
        auto b = co_await spawn({});
        auto before = co_await send(a, run<links_of>);
        CHECK(before == 1);
        auto first = self.loop().start([](ActorProxy<> from, ActorProxy<> to) -> Task<int> {
            co_return co_await send(from, run<exchange_with>, to, 300);
        }(a, b));
        auto second = self.loop().start([](ActorProxy<> from, ActorProxy<> to) -> Task<int> {
            co_return co_await send(from, run<exchange_with>, to, 300);
        }(b, a));
        auto there = co_await first;
        auto back = co_await second;
        CHECK(there == 300);
        CHECK(back == 300);
        for (auto& worker : {a, b}) {
            auto links = co_await send(worker, run<links_of>);
            CHECK(links == 2);
        }
        // From and to threads and light actors of other processes, too.
        auto thread = co_await send(a, run<spawn_child>, "", Concurrency::thread);
        auto light = co_await send(b, run<spawn_child>, "", Concurrency::coroutine);
        there = co_await send(thread, run<exchange_with>, light, 50);
        CHECK(there == 50);
        back = co_await send(light, run<exchange_with>, thread, 50);
        CHECK(back == 50);
    });
}

TEST_CASE("link: broken by the death of one worker: the other's requests fail, and it goes on") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto a = co_await spawn({});
        auto b = co_await spawn({});
        auto asking = self.loop().start([](ActorProxy<> from, ActorProxy<> to) -> Task<std::string> {
            try {
                co_await send(from, run<stay_at>, to);
            } catch (const RemoteError& error) {
                co_return error.type();
            }
            co_return "";
        }(a, b));
        bool running = false;
        for (int i = 0; i < 5000 && !running; ++i) {
            Json told = co_await b.info();
            running = told["mailbox"]["running"].size() == 1;
        }
        CHECK(running);
        auto pid = co_await send(b, run<process_of>);
        ::kill(pid, SIGKILL);
        auto type = co_await asking;
        CHECK(type == "magnetar::ActorLost");
        co_await b.closed();
        try {
            co_await send(a, run<relay_ping>, b);
            FAIL_CHECK("it is dead");
        } catch (const RemoteError& error) {
            CHECK(error.type() == "magnetar::ActorNotFound");
        }
        auto c = co_await spawn({});
        auto answer = co_await send(a, run<relay_ping>, c);
        CHECK(answer == "pong");
    });
}

TEST_CASE(
    "link: a worker that writes nonsense to the master loses its link and its life; nothing else is harmed") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto bystander = co_await spawn({});
        for (std::size_t i = 0; i < nonsense(0, 0).size(); ++i) {
            auto liar = co_await spawn({});
            auto bytes = nonsense(liar.address().where.node(), 0)[i];
            auto asking = self.loop().start([](ActorProxy<> to) -> Task<std::string> {
                co_return co_await error_of<ActorLost>(send(to, run<stay>));
            }(liar));
            co_await tell(liar, run<write_garbage>, 0, bytes);
            auto text = co_await asking;
            CHECK(text != "");
            auto status = co_await with_timeout(10s, liar.closed());
            CHECK(!status.clean());
            auto answer = co_await send(bystander, ping);
            CHECK(answer == "pong");
        }
    });
}

TEST_CASE("link: nonsense between two workers ends their link alone, and they get another") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto a = co_await spawn({});
        auto b = co_await spawn({});
        auto all = nonsense(a.address().where.node(), b.address().where.node());
        for (auto& bytes : all) {
            auto answer = co_await send(a, run<relay_ping>, b);
            CHECK(answer == "pong");
            co_await send(a, run<write_garbage>, 1, bytes);
            bool gone = false;
            for (int i = 0; i < 5000 && !gone; ++i) {
                int links = co_await send(a, run<links_of>);
                gone = links == 1;
                links = co_await send(b, run<links_of>);
                gone = gone && links == 1;
            }
            CHECK(gone);
            answer = co_await send(b, run<relay_ping>, a);
            CHECK(answer == "pong");
        }
    });
}

TEST_CASE("link: what is on its way to an actor that is gone is answered, and its place is not taken") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({});
        for (int i = 0; i < 600; ++i) {
            auto light = co_await send(worker, run<spawn_child>, "", Concurrency::coroutine);
            co_await tell(light, run<sleep_for>, 0);
            co_await light.stop();
            co_await light.closed();
            co_await tell(light, run<sleep_for>, 0);
            auto text = co_await error_of<ActorNotFound>(send(light, echo, i));
            CHECK(text != "");
        }
    });
}

TEST_CASE(
    "link: much more than a socket holds goes through whole, and with it a descriptor that comes between") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto a = co_await spawn({});
        auto b = co_await spawn({});
        auto echoes = [&](std::vector<Job<bool>>& to, std::size_t size) {
            for (char letter = 'a'; letter < 'i'; ++letter)
                to.push_back(self.loop().start([](ActorProxy<> worker, std::string text) -> Task<bool> {
                    auto same = co_await send(worker, echo, text);
                    co_return same == text;
                }(a, std::string(size, letter))));
        };
        std::vector<Job<bool>> echoing;
        echoes(echoing, 1 << 20);
        co_await yield();  // they are in flight
        // The master gives both workers a direct link, after the messages above.
        auto relayed = self.loop().start([](ActorProxy<> from, ActorProxy<> to) -> Task<std::string> {
            co_return co_await send(from, run<relay_ping>, to);
        }(b, a));
        echoes(echoing, 1000);
        auto pong = co_await relayed;
        CHECK(pong == "pong");
        for (auto& job : echoing) {
            auto same = co_await job;
            CHECK(same);
        }
        auto links = co_await send(a, run<links_of>);
        CHECK(links == 2);
    });
}

namespace {

void become_another(Actor<>&) { ::execlp("sleep", "sleep", "100", nullptr); }
void close_everything(Actor<>&) { ::close_range(3, ~0u, 0); }
// Forks a child in a session of its own, which has copies of all links. It ends after 30 s at the latest.
int leave_a_child(Actor<>&) {
    pid_t pid = ::fork();
    if (pid == 0) {
        ::setsid();
        ::prctl(PR_SET_PDEATHSIG, 0);
        ::alarm(30);
        for (;;) ::pause();
    }
    return pid;
}
// Uses up all descriptors of this process. The hard limit is unchanged, as only root may raise it again.
void limit_descriptors(rlim_t soft) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = soft;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) throw_system_error(errno, "setrlimit");
}
void take_descriptors(Actor<>&) {
    limit_descriptors(64);
    while (::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) {}
}
void give_descriptors_back(Actor<>&) { limit_descriptors(256); }
void throw_long_text(Actor<>&, int size) {
    throw std::invalid_argument(std::string(static_cast<std::size_t>(size), 'x'));
}
int process_again(Actor<>&) { return ::getpid(); }

}  // namespace

TEST_CASE("link: its end ends the process, at once, also one that has become another program") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (bool other_program : {true, false}) {
            auto worker = co_await spawn({.name = "changeling"});
            int pid = co_await send(worker, run<process_again>);
            Watched watched(pid);
            if (other_program) co_await error_of<ActorLost>(send(worker, run<become_another>));
            else co_await error_of<ActorLost>(send(worker, run<close_everything>));
            auto status = co_await with_timeout(10s, worker.closed());
            CHECK(!status.clean());
            CHECK(watched.gone(10s));
            auto next = co_await spawn({.name = "changeling"});  // the name is free
            co_await next.stop();
            co_await next.closed();
        }
    });
}

TEST_CASE("link: what a dead worker was asked by another ends, whoever else holds the link's other end") {
    in_arbiter([](Arbiter<>& self) -> Task<> {
        auto a = co_await spawn({.name = "a"});
        auto b = co_await spawn({.name = "b"});
        auto pong = co_await send(a, run<relay_ping>, b);  // they have a direct link now
        CHECK(pong == "pong");
        int pid = co_await send(b, run<process_again>);
        int child = co_await send(b, run<leave_a_child>);
        auto asking = self.loop().start([](ActorProxy<> from, ActorProxy<> to) -> Task<std::string> {
            co_return co_await error_of<RemoteError>(send(from, run<stay_at>, to));
        }(a, b));
        bool running = false;
        for (int i = 0; i < 5000 && !running; ++i) {
            Json told = co_await b.info();
            running = told["mailbox"]["running"].size() == 1;
        }
        CHECK(running);
        ::kill(pid, SIGKILL);
        auto text = co_await with_timeout(10s, std::move(asking));
        CHECK_MESSAGE(has(text, "b ended before it answered"), text);
        auto status = co_await with_timeout(10s, b.closed());
        CHECK(status.signal() == SIGKILL);
        ::kill(child, SIGKILL);
    });
}

TEST_CASE("link: a worker without a free descriptor lives on; who asks it is told") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        for (bool asker : {false, true}) {
            auto a = co_await spawn({.name = "a"});
            auto b = co_await spawn({.name = "b"});
            auto hungry = asker ? a : b;
            co_await send(hungry, run<take_descriptors>);
            auto text = co_await error_of<RemoteError>(send(a, run<relay_ping>, b));
            CHECK_MESSAGE(has(text, "no link to the process of b: "), text);
            CHECK_MESSAGE(has(text, "no free descriptor") == true, text);
            auto pong = co_await send(hungry, ping);
            CHECK(pong == "pong");
            co_await send(hungry, run<give_descriptors_back>);
            pong = co_await send(a, run<relay_ping>, b);
            CHECK(pong == "pong");
            pong = co_await send(b, run<relay_ping>, a);
            CHECK(pong == "pong");
            co_await a.stop();
            co_await b.stop();
            co_await a.closed();
            co_await b.closed();
        }
    });
}

TEST_CASE("link: the text of an error is cut where it would end the link") {
    in_arbiter([](Arbiter<>&) -> Task<> {
        auto worker = co_await spawn({});
        auto text = co_await error_of<RemoteError>(send(worker, run<throw_long_text>, 70 << 20));
        CHECK(text.size() == detail::longest_text + 3);
        CHECK(text.substr(text.size() - 4) == "x...");
        auto pong = co_await send(worker, ping);
        CHECK(pong == "pong");
    });
}

TEST_CASE(
    "link: hundreds of processes come and go, also where their numbers begin anew: nothing stays behind") {
    in_arbiter<120>([](Arbiter<>&) -> Task<> {
        int lives = sanitized ? 60 : 300;
        detail::the_supervisor->number_from(detail::greatest_node - static_cast<std::uint32_t>(lives) / 2);
        auto stays = co_await spawn({.name = "stays"});
        std::size_t fds = 0;
        for (int life = 0; life < lives; ++life) {
            auto worker = co_await spawn({.name = "comes"});
            CHECK(worker.address().where.node() != 0);
            auto pong = co_await send(stays, run<relay_ping>, worker);
            CHECK(pong == "pong");
            if (life % 3 == 0) ::kill(co_await send(worker, run<process_again>), SIGKILL);
            else co_await worker.stop();
            co_await worker.closed();
            if (life == 20) fds = open_fds();
        }
        CHECK(open_fds() <= fds + 1);
        CHECK(detail::the_node->links() == 1);
        CHECK(detail::the_supervisor->size() == 1);
        int links = 0;
        for (int i = 0; i < 5000 && links != 1; ++i) links = co_await send(stays, run<links_of>);
        CHECK(links == 1);
    });
}
