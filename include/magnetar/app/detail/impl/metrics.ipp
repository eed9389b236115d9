#pragma once
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include <magnetar/app/detail/json_path.hpp>
#include <magnetar/app/detail/metrics.hpp>
#include <magnetar/base/errors.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace metrics_parts {

inline std::string label(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (c == '\n') out += "\\n";
        else out += c;
    }
    return out;
}
// The lines of one metric for all applications.
class Family {
public:
    Family(std::string& out, std::string_view name, std::string_view type, std::string_view help)
        : out_(out), name_(name) {
        out_ += fmt::format("# HELP magnetar_{} {}\n# TYPE magnetar_{} {}\n", name, help, name, type);
    }
    void add(double value, std::string_view application = {}) {
        if (application.empty()) out_ += fmt::format("magnetar_{} {}\n", name_, value);
        else out_ += fmt::format("magnetar_{}{{application=\"{}\"}} {}\n", name_, label(application), value);
    }

private:
    std::string& out_;
    std::string_view name_;
};

}  // namespace metrics_parts

MAGNETAR_DECL WorkerTotals::Counters WorkerTotals::read(const Json& worker) {
    Counters counters{};
    std::size_t i = 0;
    for (auto key : {"accepted", "lost", "failed", "idle", "bytes_in", "bytes_out"})
        counters[i++] = servers_sum(worker, key);
    counters[i++] = number_at(worker, {"loop", "turns"});
    // Threads and light actors report the process in which they run, which is the first process.
    if (is_true_at(worker, {"actor", "is_process"}))
        counters[i] =
            number_at(worker, {"process", "user_seconds"}) + number_at(worker, {"process", "system_seconds"});
    return counters;
}
MAGNETAR_DECL void WorkerTotals::update(const std::vector<Json>& workers, std::uint64_t asked) {
    if (asked < asked_) return;
    asked_ = asked;
    std::map<std::string, Counters> now;
    for (auto& worker : workers) {
        const Json* actor = worker.find("actor");
        const Json* id = actor ? actor->find("id") : nullptr;
        if (!id || !id->is_string()) continue;
        auto before = last_.find(id->string());
        if (worker.find("error")) now[id->string()] = before == last_.end() ? Counters{} : before->second;
        else now[id->string()] = read(worker);
    }
    for (auto& [id, counters] : last_)
        if (!now.contains(id))
            for (std::size_t i = 0; i < counters.size(); ++i) ended_[i] += counters[i];
    last_ = std::move(now);
}
MAGNETAR_DECL WorkerTotals::Counters WorkerTotals::sums() const {
    Counters sums = ended_;
    for (auto& [id, counters] : last_)
        for (std::size_t i = 0; i < counters.size(); ++i) sums[i] += counters[i];
    return sums;
}

MAGNETAR_DECL std::string metrics_text(const Json& info, const std::map<std::string, WorkerTotals>& totals) {
    using namespace metrics_parts;
    std::string out;
    Family(out, "up", "gauge", "whether the program runs").add(1);
    Family(out, "uptime_seconds", "gauge", "since the program began")
        .add(number_at(info, {"arbiter", "actor", "uptime_seconds"}));
    Family(out, "arbiter_memory_bytes", "gauge", "resident memory of the first process")
        .add(number_at(info, {"arbiter", "process", "memory_bytes"}));
    auto for_each = [&info](auto&& use) {
        if (const Json* applications = info.find("applications"))
            for (auto& application : applications->items()) use(application, application.at("name").string());
    };
    auto workers_of = [](const Json& application) {
        const Json* workers = application.find("workers");
        return workers ? workers->items() : std::span<const Json>();
    };
    auto gauge = [&](std::string_view name, std::string_view help, auto&& value) {
        Family family(out, name, "gauge", help);
        for_each(
            [&](const Json& application, const std::string& app) { family.add(value(application), app); });
    };
    gauge("workers_wanted", "desired number of workers",
          [](const Json& a) { return number_at(a, {"wanted"}); });
    gauge("workers", "workers that run",
          [&](const Json& a) { return static_cast<double>(workers_of(a).size()); });
    gauge("workers_silent", "workers that did not answer this time", [&](const Json& a) {
        double silent = 0;
        for (auto& worker : workers_of(a)) silent += worker.contains("error");
        return silent;
    });
    gauge("connections", "connections that are open",
          [](const Json& a) { return number_at(a, {"connections"}); });
    gauge("mailbox_depth", "messages that wait for workers", [&](const Json& a) {
        double depth = 0;
        for (auto& worker : workers_of(a)) depth += number_at(worker, {"mailbox", "depth"});
        return depth;
    });
    gauge("memory_bytes", "resident memory of worker processes", [&](const Json& a) {
        double bytes = 0;
        for (auto& worker : workers_of(a))
            if (is_true_at(worker, {"actor", "is_process"}))
                bytes += number_at(worker, {"process", "memory_bytes"});
        return bytes;
    });
    {
        Family family(out, "worker_restarts_total", "counter", "restarts of workers that died");
        for (auto& [app, sums] : totals) family.add(sums.restarts(), app);
    }
    for (std::size_t i = 0; i < WorkerTotals::names.size(); ++i) {
        std::string name = fmt::format("{}_total", WorkerTotals::names[i]);
        Family family(out, name, "counter", "of all workers, with those that have ended");
        for (auto& [app, sums] : totals) family.add(sums.sums()[i], app);
    }
    return out;
}

MAGNETAR_DECL std::int64_t monotonic_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

MAGNETAR_DECL void MetricsOrder::fulfil(std::string text) noexcept {
    text_ = std::move(text);
    done_ = true;
    std::uint64_t one = 1;
    (void)!::write(bell_->get(), &one, sizeof one);
}

namespace health {

inline constexpr std::int64_t second = 1'000'000'000;
inline constexpr std::size_t most_clients = 64, longest_request = 8192;

// A client sends its request, receives the answer, then must close.
struct Client {
    UniqueFd fd;
    std::int64_t deadline;
    std::string said{}, answer{};
    std::size_t sent = 0;
    std::shared_ptr<MetricsOrder> order{};  // set while its answer is being made
    bool is_head = false;

    bool asks() const noexcept { return answer.empty() && !order; }
    // The events to wait for. Input after the request is read once the answer has been sent: unread input
    // would reset the connection.
    short events() const noexcept {
        if (order) return 0;
        return asks() || sent == answer.size() ? POLLIN : POLLOUT;
    }
    void answers(int code, std::string_view type, std::string_view body) {
        std::string_view reason = code == 200   ? "OK"
                                  : code == 404 ? "Not Found"
                                  : code == 405 ? "Method Not Allowed"
                                                : "Service Unavailable";
        answer = fmt::format(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: "
            "close\r\n\r\n{}",
            code, reason, type, body.size(), is_head ? std::string_view() : body);
        order.reset();
        send();
    }
    // Sends what the socket accepts. The client has two seconds to receive more, and one to close when all is
    // sent.
    void send() {
        std::size_t before = sent;
        while (sent < answer.size()) {
            ssize_t n =
                ::send(fd.get(), answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0) sent += static_cast<std::size_t>(n);
            else if (errno != EINTR) break;
        }
        if (sent == answer.size()) ::shutdown(fd.get(), SHUT_WR);
        if (sent > before) deadline = monotonic_ns() + (sent == answer.size() ? second : 2 * second);
    }
    // Reads some input; false when there will be no more.
    bool read() {
        char part[1024];
        ssize_t n = ::recv(fd.get(), part, sizeof part, MSG_DONTWAIT);
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        if (n > 0 && asks()) said.append(part, static_cast<std::size_t>(n));
        return n > 0;
    }
    bool has_asked() const {
        return asks() && (said.find("\r\n\r\n") != std::string::npos || said.size() >= longest_request);
    }
};

}  // namespace health

struct HealthServer::State {
    ListeningSocket socket;
    Vitals& vitals;
    bool (*scrape)(std::shared_ptr<MetricsOrder>);
    UniqueFd ended;
    std::shared_ptr<const UniqueFd> bell;
    std::vector<health::Client> clients{};  // the oldest first
    std::thread thread{};

    static constexpr std::string_view text = "text/plain; charset=utf-8";

    // Handles the events of a client; false when it is to be closed.
    bool tend(health::Client& client, short events) {
        if (client.order) {
            if (events & (POLLERR | POLLHUP)) return false;
            bool late = monotonic_ns() >= client.deadline;
            if (const std::string* metrics = client.order->text())
                client.answers(200, "text/plain; version=0.0.4; charset=utf-8", *metrics);
            else if (late) client.answers(503, text, "the program does not answer\n");
            return true;
        }
        if (events && client.events() == POLLOUT) {
            if (events & (POLLERR | POLLHUP)) return false;
            client.send();
        } else if (events) {
            if (!client.read()) return false;
            if (client.has_asked()) answer(client);
        }
        return monotonic_ns() < client.deadline;
    }
    void accept_one() {
        UniqueFd client(::accept4(socket.fd(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client) {
            pollfd waiting{ended.get(), POLLIN, 0};
            ::poll(&waiting, 1, 100);  // no descriptor is left; the next try may find one
            return;
        }
        if (clients.size() == health::most_clients) clients.erase(clients.begin());
        clients.push_back({std::move(client), monotonic_ns() + 2 * health::second});
    }
    void answer(health::Client& client) {
        std::string line = client.said.substr(0, client.said.find("\r\n"));
        auto path_at = line.find(' ');
        std::string method = line.substr(0, path_at);
        std::string path = path_at == line.npos ? std::string() : line.substr(path_at + 1);
        path = path.substr(0, path.find_first_of(" ?"));
        client.is_head = method == "HEAD";
        client.deadline = monotonic_ns() + 2 * health::second;
        if (method != "GET" && method != "HEAD") {
            client.answers(405, text, "only GET and HEAD are supported\n");
        } else if (path == "/live") {
            double age = static_cast<double>(monotonic_ns() - vitals.heartbeat_ns.load()) / 1e9;
            client.answers(
                age < 10 ? 200 : 503, text,
                fmt::format("{}: last heartbeat {:.1f} s ago\n", age < 10 ? "live" : "hangs", age));
        } else if (path == "/ready") {
            bool ready = vitals.ready.load();
            client.answers(ready ? 200 : 503, text, ready ? "ready\n" : "not ready\n");
        } else if (path == "/metrics") {
            client.order = std::make_shared<MetricsOrder>(bell);
            if (!scrape(client.order)) client.answers(503, text, "the program does not answer\n");
        } else {
            client.answers(404, text, "/metrics, /live and /ready are here\n");
        }
    }
    void run() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);  // the arbiter's thread handles signals
        for (;;) {
            std::vector<pollfd> waiting{
                {ended.get(), POLLIN, 0}, {socket.fd(), POLLIN, 0}, {bell->get(), POLLIN, 0}};
            const std::size_t first = waiting.size();
            int limit = -1;  // in milliseconds
            for (auto& client : clients) {
                waiting.push_back({client.fd.get(), client.events(), 0});
                auto left = std::max<std::int64_t>(client.deadline - monotonic_ns(), 0) / 1'000'000 + 1;
                limit = static_cast<int>(limit < 0 ? left : std::min<std::int64_t>(limit, left));
            }
            if (::poll(waiting.data(), waiting.size(), limit) < 0) continue;
            if (waiting[0].revents) return;
            std::uint64_t rings = 0;
            if (waiting[2].revents) (void)!::read(bell->get(), &rings, sizeof rings);
            for (std::size_t i = clients.size(); i-- > 0;)
                if (!tend(clients[i], waiting[first + i].revents))
                    clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(i));
            if (waiting[1].revents) accept_one();
        }
    }
};

MAGNETAR_DECL HealthServer::HealthServer(ListeningSocket socket, Vitals& vitals,
                                         bool (*scrape)(std::shared_ptr<MetricsOrder>)) {
    UniqueFd ended(::eventfd(0, EFD_CLOEXEC)), bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!ended || !bell) throw_system_error(errno, "eventfd for the health server");
    state_ = new State{std::move(socket), vitals, scrape, std::move(ended),
                       std::make_shared<const UniqueFd>(std::move(bell))};
    state_->thread = std::thread([state = state_] { state->run(); });
}
MAGNETAR_DECL HealthServer::~HealthServer() {
    std::uint64_t one = 1;
    (void)!::write(state_->ended.get(), &one, sizeof one);
    state_->thread.join();
    delete state_;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
