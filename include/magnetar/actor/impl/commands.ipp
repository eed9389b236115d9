#pragma once
#include <magnetar/actor/commands.hpp>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>

#include <magnetar/actor/core/message.hpp>
#include <magnetar/actor/core/open_command.hpp>
#include <magnetar/actor/door/server.hpp>
#include <magnetar/actor/hooks.hpp>
#include <magnetar/actor/messaging.hpp>
#include <magnetar/actor/messaging/deadlock.hpp>
#include <magnetar/actor/messaging/send.hpp>
#include <magnetar/actor/messaging/tell.hpp>
#include <magnetar/actor/node/node.hpp>
#include <magnetar/actor/options.hpp>
#include <magnetar/actor/spawn.hpp>
#include <magnetar/actor/supervision/directory.hpp>
#include <magnetar/actor/supervision/fork_server.hpp>
#include <magnetar/actor/supervision/framework_commands.hpp>
#include <magnetar/actor/supervision/main_actor.hpp>
#include <magnetar/actor/supervision/supervisor.hpp>
#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/base/detail/id_map.hpp>
#include <magnetar/base/detail/list.hpp>
#include <magnetar/base/detail/quantity.hpp>
#include <magnetar/coro/suspension.hpp>
#include <magnetar/coro/waiter.hpp>
#include <magnetar/loop/child_process.hpp>
#include <magnetar/loop/clock.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/loop_handle.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/net/tcp_server.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Json config_command(Request& request, std::string setting, std::optional<Json> value) {
    Json& params = request.actor().params();
    if (value) params[setting] = *std::move(value);
    const Json* found = params.find(setting);
    return found ? *found : Json();
}

MAGNETAR_DECL Task<Json> answered(Json answer) { co_return answer; }

MAGNETAR_DECL void throw_no_json(const Actor<>& actor) {
    throw NoSuchCommand{fmt::format(
        "a command of {} has a parameter or result that cannot be converted to JSON", actor.to_string())};
}

namespace by_name {

// Executes one of the commands, and reports it as the one that is running.
inline Task<Json> execute(Request& request, const std::string& command, const OpenCommand* open,
                          const CommandEntry* entry, Json arguments) {
    Actor<>& actor = request.actor();
    if (!open && !entry)
        throw NoSuchCommand{fmt::format("{} has no command '{}'", actor.to_string(), command)};
    actor.loop().activity->command.store(open ? &open->name : &entry->name, std::memory_order_relaxed);
    if (open) return open->call(actor, request, std::move(arguments));
    return entry->by_name(actor, request, std::move(arguments));
}

}  // namespace by_name

MAGNETAR_DECL Task<Json> by_name_command(Request& request, std::string command, Json arguments) {
    const void* state = core_of(request.actor()).state_tag();
    auto* open = find_open_command(command, state);
    auto* entry = open ? nullptr : find_command(command, state);
    return by_name::execute(request, command, open, entry, std::move(arguments));
}

MAGNETAR_DECL Task<Json> open_command(Request& request, std::string command, Json arguments) {
    auto* open = find_open_command(command, core_of(request.actor()).state_tag());
    auto* entry = !open && is_open_to_all(command) ? find_command(command, nullptr) : nullptr;
    return by_name::execute(request, command, open, entry, std::move(arguments));
}

MAGNETAR_DECL std::string doing_command(Request& request) {
    Actor<>& actor = request.actor();
    std::string commands;
    auto now = actor.loop().now();
    core_of(actor).jobs.for_each([&](JobBase& job) {
        if (auto* command = dynamic_cast<CommandJobBase*>(&job))
            commands += fmt::format(
                "{}{} for {}", commands.empty() ? "it has been running " : ", ", command->command(),
                duration_text(std::chrono::duration<double>(now - command->since()).count()));
    });
    return fmt::format("{}; {} queued", commands.empty() ? "it is running no command" : commands,
                       quantity(core_of(actor).mailbox().depth(), "message"));
}

MAGNETAR_DECL Json process_info() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    long pages = 0, resident = 0;
    if (FILE* statm = std::fopen("/proc/self/statm", "re")) {
        if (std::fscanf(statm, "%ld %ld", &pages, &resident) != 2) resident = 0;
        std::fclose(statm);
    }
    auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    Json json = Json::object();
    json["memory_bytes"] = static_cast<std::int64_t>(resident) * ::sysconf(_SC_PAGESIZE);
    json["peak_memory_bytes"] = static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
    json["user_seconds"] = seconds(usage.ru_utime);
    json["system_seconds"] = seconds(usage.ru_stime);
    return json;
}

MAGNETAR_DECL Json info_command(Request& request) {
    Actor<>& actor = request.actor();
    EventLoop& loop = actor.loop();
    auto seconds = [&](LoopClock::time_point since) {
        return std::chrono::duration<double>(loop.now() - since).count();
    };
    Json info = Json::object();
    Json& about = info["actor"] = Json::object();
    about["name"] = actor.name();
    about["id"] = actor.id().to_string();
    about["state"] = std::string(to_string(actor.life()));
    about["concurrency"] = std::string(to_string(actor.concurrency()));
    about["is_process"] = actor.concurrency() == Concurrency::process;
    about["uptime_seconds"] = seconds(core_of(actor).started_at());
    about["age_seconds"] = seconds(core_of(actor).started_at());
    about["process_id"] = static_cast<std::int64_t>(::getpid());
    about["thread_id"] = static_cast<std::int64_t>(::syscall(SYS_gettid));
    about["manager"] = actor.manager().to_string();

    auto state = loop.info();
    Json& about_loop = info["loop"] = Json::object();
    about_loop["engine"] = std::string(state.engine);
    about_loop["turns"] = state.turns;
    about_loop["ready"] = static_cast<std::uint64_t>(state.ready);
    about_loop["operations"] = static_cast<std::uint64_t>(state.operations);
    about_loop["timers"] = static_cast<std::uint64_t>(state.timers);

    auto& mailbox = core_of(actor).mailbox();
    Json& about_mailbox = info["mailbox"] = Json::object();
    about_mailbox["depth"] = mailbox.depth();
    about_mailbox["capacity"] = mailbox.capacity();
    // A light actor without a name or hooks does not count its messages.
    about_mailbox["handled"] =
        core_of(actor).extras_if() ? Json(core_of(actor).extras_if()->handled) : Json();
    about_mailbox["oldest_seconds"] = mailbox.oldest() ? Json(seconds(mailbox.oldest()->arrived)) : Json();
    Json running = Json::array();
    core_of(actor).jobs.for_each([&](JobBase& job) {
        auto* command = dynamic_cast<CommandJobBase*>(&job);
        if (!command) return;
        Json one = Json::object();
        one["command"] = std::string(command->command());
        one["seconds"] = seconds(command->since());
        running.push_back(std::move(one));
    });
    about_mailbox["running"] = std::move(running);

    info["process"] = process_info();
    if (&actor == the_node->main_actor) add_application_info(info);
    core_of(actor).add_info(info);
    auto* extras = core_of(actor).extras_if();
    if (extras && !extras->servers.empty()) {
        Json& servers = info["servers"] = Json::object();
        for (auto& [name, server] : extras->servers) servers[name] = Json(server.info());
    }
    info["extra"] = extras ? extras->extra : Json::object();
    if (extras && extras->settings.on_info.plain) extras->settings.on_info.plain(actor, info);
    return info;
}

MAGNETAR_DECL void add_application_info(Json& info) {
    info["links"] = static_cast<std::uint64_t>(the_node->links());
    Json& groups = info["groups"] = Json::object();
    for (auto& [name, members] : the_supervisor->groups.sizes())
        groups[name] = static_cast<std::uint64_t>(members);
    info["group_messages_missed"] = the_supervisor->groups.missed;
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
    the_supervisor->for_each([&](ChildRecord& managed) {
        Json child = Json::object();
        child["name"] = managed.name;
        child["id"] = managed.id.to_string();
        child["process_id"] = managed.process ? Json(managed.process->pid()) : Json();
        child["notice"] = to_json(managed.heartbeat);
        child["silent_seconds"] =
            std::chrono::duration<double>(the_node->loop().now() - managed.last_seen).count();
        children.push_back(std::move(child));
    });
}

MAGNETAR_DECL void notify_command(Request& request, Heartbeat heartbeat) {
    if (&request.actor() == the_node->main_actor)
        the_supervisor->last_seen(request.caller().id(), heartbeat, node_of_caller(request));
}

MAGNETAR_DECL Task<ActorProxy<>> spawn_command(Request& request, std::string name, std::string concurrency) {
    require_all_rights(request, "spawn");
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

MAGNETAR_DECL void stop_command(Request& request) {
    Actor<>& actor = request.actor();
    if (the_node && this_node == 0 && &actor == the_node->main_actor) require_all_rights(request, "stop");
    actor.stop();
}

MAGNETAR_DECL Task<> kill_command(Request& request, std::string target) {
    std::uint32_t asker = node_of_caller(request);
    if (EventLoop::current() != &the_node->loop())
        co_await make_request<kill_for>(core_of(*the_node->main_actor).address(), asker, std::move(target));
    else co_await kill_for(*the_node->main_actor, asker, std::move(target));
}

// Whether `asker` may end this actor: the arbiter's and this process always, others by their rights.
MAGNETAR_DECL bool may_end(std::uint32_t asker, const Address& victim) {
    if (asker == this_node || asker == 0 || is_remote(asker)) return true;
    if (this_node != 0) return false;
    auto worker = the_supervisor->at(asker);
    return worker && (worker->settings.rights == Rights::all || victim.where.node() == asker);
}

MAGNETAR_DECL Task<> kill_for(Actor<>& root, std::uint32_t asker, std::string target) {
    Address address = co_await locate(target);
    if (address.id == the_node->arbiter.id)
        throw std::invalid_argument("kill_actor: the arbiter can only be stopped");
    if (!may_end(asker, address))
        throw PermissionDenied(fmt::format("this process has no right to kill_actor '{}'", target));
    bool at_home = address.where.node() == this_node && address.id != root.id();
    if (the_supervisor->knows(address.id)) {
        co_await the_supervisor->kill(address.id);
    } else if (at_home) {  // a light actor
        co_await make_request<end_command>(address);
        co_await closed(address);
    } else if (this_node != 0) {
        co_await make_request<kill_command>(the_node->arbiter, std::move(target));
    } else if (auto worker = the_supervisor->at(address.where.node())) {
        co_await make_request<kill_command>(worker->address, std::move(target));
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
