// The programs that tests/app/drive.py drives: the first argument says which.
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/app.hpp>

#include <fmt/core.h>

#include <signal.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string_view>
#include <thread>

using namespace magnetar;
using namespace std::chrono_literals;

namespace programs {

// ---- echo: a server with settings of its own

struct EchoSettings {
    std::string greeting = "hello";
    bool fail = false;
    std::chrono::milliseconds slow{};
    std::chrono::seconds hang{};  // so long the arbiter's loop stands still, once the workers run
    std::string unready{};        // while there is that file, it is not ready
    static constexpr Help help[] = {{"greeting", "what each client is told first"}};
};
struct Echo {
    explicit Echo(const EchoSettings& s) : settings(s) {
        if (s.fail) throw std::runtime_error("it was told to fail");
    }
    EchoSettings settings;
};
SocketServerOptions<Echo> echo_options() {
    SocketServerOptions<Echo> options;
    options.name = "echo";
    options.version = "3.1";
    options.workers = 2;
    options.serve = [](Actor<Echo>& self, Connection& client) -> Task<> {
        std::string greeting = settings<EchoSettings>().greeting + "\n";
        co_await client.write(greeting);
        for (;;) {
            std::string line = co_await client.read_until("\n");
            if (line.empty()) co_return;
            if (line == "die\n") ::kill(::getpid(), SIGKILL);
            if (line == "peer\n") line = client.peer().to_string() + "\n";
            if (line.starts_with("log ")) self.log().info("{}", line, field("client", client.peer()));
            if (line.starts_with("debug ")) self.log().debug("{}", line);
            if (line == "fail\n") throw std::runtime_error("it was told to fail");
            if (line == "pid\n") line = fmt::format("{}\n", ::getpid());
            if (self.state().settings.slow.count() > 0) co_await sleep(self.state().settings.slow);
            co_await client.write(line);
        }
    };
    options.started = [](Monitor<Echo>& self) {
        fmt::print("started {}\n", self.managed_actors().size());
        std::fflush(stdout);
        std::this_thread::sleep_for(settings<EchoSettings>().hang);
    };
    options.ready = [](Monitor<Echo>&, bool& ready) {
        auto& file = settings<EchoSettings>().unready;
        if (!file.empty() && ::access(file.c_str(), F_OK) == 0) ready = false;
    };
    return options;
}

// ---- the same for datagrams

Task<> send_back(DatagramSocket& socket, Datagram datagram) {
    if (datagram.data.view() == "fail") throw std::runtime_error("it was told to fail");
    std::string text = datagram.data.to_string();
    if (text == "pid") text = fmt::format("{}", ::getpid());
    if (text == "slow") co_await sleep(300ms);
    co_await socket.send_to(text, datagram.from);
}

// ---- work that waits in a mailbox

struct Worker {
    int done = 0;
    void work() {
        ::usleep(20'000);
        fmt::print("done {}\n", ++done);
        std::fflush(stdout);
    }
};
int queue(int argc, char** argv) {
    return Application<Worker>({.name = "queue",
                                .started = [](Monitor<Worker>& self) -> Task<> {
                                    auto worker = self.pick();
                                    for (int i = 0; i < 40; ++i) co_await worker.tell<&Worker::work>();
                                }})
        .start(argc, argv);
}

// ---- a shop and a door, in one program or below somebody's arbiter

struct ShopSettings {
    int price = 5;
    bool close = false;
};
Application<struct Clerk, ShopSettings>* the_shop = nullptr;
struct Clerk {
    int sold = 0;
    int sell() { return ++sold * settings<ShopSettings>().price; }
};
ApplicationOptions<Clerk> shop_options() {
    ApplicationOptions<Clerk> options;
    options.name = "shop";
    options.worker.start = [](Actor<Clerk>& self) {
        // Light actors and threads that a worker makes belong to its application, too.
        self.extra()["knows"] =
            Json::array({Json(get_application("shop").has_value()),
                         Json(get_application("nowhere").has_value()), Json(settings<ShopSettings>().price)});
    };
    options.started = [](Monitor<Clerk>& self) -> Task<> {
        int sum = co_await self.pick().send<&Clerk::sell>();
        auto other = get_application("door");
        fmt::print("sold for {} with {} workers, door {}\n", sum, self.managed_actors().size(),
                   other ? "there" : "not there");
        std::fflush(stdout);
        if (settings<ShopSettings>().close) the_shop->stop();
    };
    return options;
}
Task<> let_in(Connection& client) {
    std::string_view text = "come in\n";
    co_await client.write(text);
}
SocketServerOptions<> door_options() {
    SocketServerOptions<> options;
    options.name = "door";
    options.bind = "127.0.0.1:0";
    options.serve = let_in;
    return options;
}

int mall(int argc, char** argv) {
    Application<Clerk, ShopSettings> shop(shop_options());
    the_shop = &shop;
    SocketServer<> door(door_options());
    return MultiApp({.name = "mall", .version = "1", .main = "shop"}, shop, door).start(argc, argv);
}
Task<> let_pass(Connection& client) {
    std::string_view text = "go on\n";
    co_await client.write(text);
}
// Two servers, of which each says which it is.
int gates(int argc, char** argv) {
    SocketServerOptions<> options = door_options();
    options.name = "gate";
    options.serve = let_pass;
    SocketServer<> door(door_options()), gate(options);
    return MultiApp({.name = "gates"}, door, gate).start(argc, argv);
}
int twins(int argc, char** argv) {
    SocketServer<> one(door_options()), other(door_options());
    return MultiApp({.name = "twins"}, one, other).start(argc, argv);
}
int inside() {
    return Arbiter<>({.start = [](Arbiter<>& self) -> Task<> {
               static Application<Clerk, ShopSettings> shop(shop_options(), ShopSettings{.price = 7});
               static Application<Clerk, ShopSettings> again(shop_options());
               co_await shop.start();
               for (auto* one : {&again, &shop}) {
                   std::string trouble;
                   try {
                       co_await one->start();
                   } catch (const SpawnError& error) {
                       trouble = error.what();
                   }
                   fmt::print("refused: {}\n", trouble);
               }
               // A worker that is made anew is made as the others are, and nothing of what was refused.
               ActorId before = shop.workers().front().id();
               post_tell<detail::stop_command>(shop.workers().front().address());
               while (shop.workers().empty() || shop.workers().front().id() == before) co_await sleep(1ms);
               int sum =
                   co_await ActorProxy<Clerk>(shop.workers().front().address(), {}).send<&Clerk::sell>();
               fmt::print("sold for {}\n", sum);
               // One that has ended may be started again.
               for (ActorProxy<> monitor = shop.monitor; shop.monitor;) {
                   shop.stop();
                   co_await monitor.closed();
                   co_await sleep(1ms);
               }
               co_await shop.start();
               self.stop();
           }})
        .run();
}

// docs/settings.md
int settings_page() {
    detail::AppConfig config(detail::user_settings_type<NoSettings>, detail::Serves::connections);
    detail::ProcessSettings process;
    detail::SettingTable table("NAME");
    config.add_to(table, {});
    table.add(process, "Program");
    fmt::print(
        "# Settings that every application has\n\n"
        "Generated from the settings themselves. An application's own stand beside them; `--help` shows all.\n{}",
        table.markdown());
    return 0;
}

}  // namespace programs

int main(int argc, char** argv) {
    using namespace programs;
    std::string_view which = argc > 1 ? argv[1] : "";
    if (which == "echo") return SocketServer<Echo, EchoSettings>(echo_options()).start(argc - 1, argv + 1);
    if (which == "udp")
        return DatagramServer<>({.name = "udp", .serve = send_back}).start(argc - 1, argv + 1);
    if (which == "queue") return queue(argc - 1, argv + 1);
    if (which == "mall") return mall(argc - 1, argv + 1);
    if (which == "gates") return gates(argc - 1, argv + 1);
    if (which == "twins") return twins(argc - 1, argv + 1);
    if (which == "inside") return inside();
    if (which == "settings") return settings_page();
    fmt::print(stderr, "usage: {} echo|udp|queue|mall|gates|twins|inside|settings\n", argv[0]);
    return 2;
}
