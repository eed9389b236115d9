#pragma once
#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/spawn.hpp>
#include <magnetar/actor/watch.hpp>
#include <magnetar/config.hpp>

// The commands of the framework itself, as the first actor of each process carries them out. They know
// everything below the arbiter, and what is below only declares them: who runs actors includes the arbiter's
// header.
namespace magnetar::inline MAGNETAR_MODE::detail {

inline void child_greeted(Actor<>&, std::uint64_t id, ActorProxy<> proxy) {
    the_supervisor->greeted({id}, proxy);
}
inline void child_started(Actor<>&, std::uint64_t id, std::optional<ErrorOnWire> failure) {
    the_supervisor->started({id}, std::move(failure));
}
inline Directory& directory_here() {
    if (the_supervisor->directory) return *the_supervisor->directory;
    throw std::logic_error("only the arbiter keeps the directory of actors");
}
// Why it cannot be had; empty when it is.
inline std::string directory_reserve(Actor<>&, std::string name, std::uint64_t id, std::uint32_t host) {
    if (!directory_here().lives(host)) return "the process that asks for it has ended";
    try {
        directory_here().reserve(name, {id}, host);
    } catch (const SpawnError& error) {
        return error.what();
    }
    return {};
}
inline void directory_enter(Actor<>&, ActorProxy<> proxy, Concurrency kind, std::uint64_t manager) {
    directory_here().enter(std::move(proxy), kind, {manager});
}
inline void directory_remove(Actor<>&, std::uint64_t id) { directory_here().remove({id}); }
inline void directory_release(Actor<>&, std::string name, std::uint64_t id) {
    directory_here().release(name, {id});
}
inline std::optional<ActorProxy<>> directory_find(Actor<>&, std::string target) {
    Directory& directory = directory_here();
    if (auto* found = directory.find(target)) return found->proxy;
    if (auto id = ActorId::parse(target))
        if (auto* found = directory.find(*id)) return found->proxy;
    return std::nullopt;
}
inline void add_application_info(Json& info) {
    info["links"] = static_cast<std::uint64_t>(the_host->links());
    if (Directory* directory = the_supervisor->directory) {
        Json& actors = info["actors"] = Json::array();
        directory->entries().for_each_in_order([&](std::uint64_t, const Directory::Entry& entry) {
            if (!entry.ready) return;
            Json actor = Json::object();
            actor["name"] = entry.proxy.name();
            actor["id"] = entry.proxy.id().to_string();
            actor["concurrency"] = std::string(to_string(entry.kind));
            actor["manager"] = entry.manager.to_string();
            actors.push_back(std::move(actor));
        });
        if (ForkServer* fork_server = the_supervisor->fork_server) {
            info["fork_server"] = fork_server->pid();
            Json& all = info["fork_servers"] = Json::array();
            for (pid_t pid : fork_server->pids()) all.push_back(Json(pid));
            info["fork_servers_lost"] = fork_server->lost();
        }
    }
    Json& children = info["children"] = Json::array();
    the_supervisor->for_each([&](Managed& managed) {
        Json child = Json::object();
        child["name"] = managed.name;
        child["id"] = managed.id.to_string();
        child["process_id"] = managed.process ? Json(managed.process->pid()) : Json();
        child["notice"] = to_json(managed.notice);
        child["silent_seconds"] =
            std::chrono::duration<double>(the_host->loop().now() - managed.heard).count();
        children.push_back(std::move(child));
    });
}
inline void notify_command(Request& request, Notice notice) {
    if (&request.actor() == the_host->root) the_supervisor->heard(request.caller().id(), notice);
}
inline Task<ActorProxy<>> spawn_command(Actor<>&, std::string name, std::string concurrency) {
    SpawnOptions<> options;
    options.name = name;
    if (concurrency == "thread") options.concurrency = Concurrency::thread;
    else if (concurrency == "coroutine") options.concurrency = Concurrency::coroutine;
    else if (concurrency != "process")
        throw std::invalid_argument(
            fmt::format("concurrency '{}': must be process, thread or coroutine", concurrency));
    auto spawning = magnetar::spawn(options);
    co_return co_await spawning;
}
inline Task<> kill_command(Actor<>& actor, std::string target) {
    Address address = co_await resolve(target);
    if (address.id == the_host->arbiter.id)
        throw std::invalid_argument("kill_actor: the arbiter can only be stopped");
    Actor<>& root = *the_host->root;
    bool at_home = address.where.host() == this_host && address.id != root.id();
    if (&actor.loop() != &the_host->loop()) {
        co_await SendAwaiter<kill_command>(ActorAccess::address(root), std::move(target));
    } else if (the_supervisor->knows(address.id)) {
        co_await the_supervisor->kill(address.id);
    } else if (at_home) {  // a light actor
        co_await SendAwaiter<end_command>(address);
        co_await closed(address);
    } else if (this_host != 0) {
        co_await SendAwaiter<kill_command>(the_host->arbiter, std::move(target));
    } else if (auto worker = the_supervisor->at(address.where.host())) {
        co_await SendAwaiter<kill_command>(worker->address, std::move(target));
    }
}
inline Task<> ActorAccess::deregister(Actor<>& self) {
    try {
        co_await SendAwaiter<directory_remove>(the_host->arbiter, self.id().value);
    } catch (const std::exception&) {
        // The arbiter is gone, and its directory with it.
    }
}

// The arbiter gives two workers that have something to say to each other a link of their own. False when one of
// them lives no more.
inline bool introduce_hosts(Request& request, std::uint32_t peer, bool again) {
    std::uint32_t first = request.caller().address().where.host();
    Link* a = the_host->link_to(first);
    Link* b = the_host->link_to(peer);
    if (!a || !b || first == peer) return false;
    if (!the_host->introduced(first, peer, again)) return true;  // the other has asked at the same time
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw_system_error(errno, "socketpair");
    a->introduce(peer, UniqueFd(ends[0]));
    b->introduce(first, UniqueFd(ends[1]));
    return true;
}
template <>
inline constexpr bool is_system<introduce_hosts> = true;

inline Task<> Host::ask_for_link(Host& host, std::uint32_t peer) {
    std::string reason;
    try {
        // Asked in the name of this process's first actor; the link itself comes before the answer. Two hosts
        // that have had one already, and lost it, get another.
        bool lives = co_await SendAwaiter<introduce_hosts>(host.arbiter, peer, false);
        // (Where one came and has ended already, nobody waits any more.)
        bool waiting = host.connecting_.find(peer) != nullptr;
        if (lives && waiting) co_await SendAwaiter<introduce_hosts>(host.arbiter, peer, true);
    } catch (const std::exception& error) {
        reason = error.what();
    }
    host.give_up(peer, reason);
}

// Those that have a name; the others are in the table as soon as anything sends them. Before the fork server is
// made: the table must be the same in every process.
inline void enlist_framework_commands() {
    enlist_as<ping_command>("ping");
    enlist_as<echo_command<Json>>("echo");
    enlist_as<info_command>("info");
    enlist_as<notify_command>("notify");
    enlist_as<stop_command>("stop");
    enlist_as<config_command>("config");
    enlist_as<spawn_command>("spawn");
    enlist_as<kill_command>("kill_actor");
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
