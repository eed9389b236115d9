#pragma once
#include <fmt/core.h>

#include <algorithm>
#include <random>
#include <stdexcept>

#include <magnetar/app/detail/application_base.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::string wrong_name(std::string_view name) {
    if (name.empty()) return "an application needs a name: {.name = \"...\"}";
    for (char c : name)
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
              c == '-'))
            return fmt::format("'{}' is not a valid application name: use letters, digits, - and _", name);
    return {};
}

MAGNETAR_DECL ApplicationBase::ApplicationBase(std::string_view name, std::string_view description,
                                               std::string_view version)
    : name_(name), description_(description), version_(version) {}
MAGNETAR_DECL ApplicationBase::~ApplicationBase() = default;

MAGNETAR_DECL std::shared_ptr<const Share> ApplicationBase::publish(
    const ProcessSettings& process, const std::vector<std::string>& applications) {
    auto share = std::make_shared<Share>();
    share->application = name_;
    auto before = newest_share(name_);
    share->generation = before ? before->generation + 1 : 1;
    share->config = std::make_shared<AppConfig>(*config);
    share->sockets = sockets;
    share->hooks = hooks();
    share->monitor = monitor;
    share->applications = applications;
    share->log_level = process.log_level;
    share->log_format = process.log_format;
    share->log_file = process.log_file;
    publish_share(share);
    return share;
}
MAGNETAR_DECL void throw_no_serve(const std::string& name) {
    throw std::invalid_argument(fmt::format(
        "the server '{}' needs {{.serve = ...}}: what to do with a connection or datagram", name));
}
MAGNETAR_DECL Task<ExitStatus> ApplicationBase::ended() {
    ActorProxy<> watched = monitor;
    ExitStatus status = co_await watched.closed();
    // It may have been started again meanwhile.
    if (monitor.id() == watched.id()) forget();
    co_return status;
}
MAGNETAR_DECL void ApplicationBase::forget() noexcept {
    forget_application(name_);
    monitor = {};
    close_sockets(sockets);
}
MAGNETAR_DECL WorkerPool* ApplicationBase::living() const noexcept {
    auto* found = monitor ? WorkerPool::find(monitor.address()) : nullptr;
    return found && found->is_running() ? found : nullptr;
}
MAGNETAR_DECL void ApplicationBase::stop_monitor() {
    if (monitor) post_tell<stop_command>(monitor.address());
}
MAGNETAR_DECL Task<> ApplicationBase::begin(Actor<>& arbiter, std::shared_ptr<const Share> share) {
    MonitorSpec spec = monitor_spec(std::move(share));
    spec.rules.seed = std::random_device{}();
    co_await start_monitor(arbiter, handles_, std::move(spec));
    core_of(arbiter).for_each_child([this](Actor<>& child) {
        if (child.name() == name_) monitor = child.proxy();
    });
}

namespace applications {

inline Task<> run_started(ErasedHook<> hook, Actor<>& monitor) {
    if (hook.plain) hook.plain(monitor);
    else co_await hook.coroutine(monitor);
}

}  // namespace applications

MAGNETAR_DECL Task<> ApplicationBase::started() {
    ErasedHook<> hook = started_hook();
    WorkerPool* actor = living();
    if (!hook || !actor) co_return;
    Job<> job = core_of(*actor).start_job(applications::run_started(hook, *actor));
    co_await job;
}
MAGNETAR_DECL bool ApplicationBase::is_ready() const {
    WorkerPool* actor = living();
    bool ready = actor && actor->size() >= std::max(config->workers.workers, 1u);
    auto hook = ready_hook();
    if (ready && hook.plain) hook.plain(*actor, ready);
    return ready;
}
MAGNETAR_DECL Task<> ApplicationBase::reload() {
    if (living()) co_await WorkerPool::reload(monitor);
}
MAGNETAR_DECL Task<> ApplicationBase::scale(std::uint32_t wanted) {
    if (living()) co_await WorkerPool::scale(monitor, wanted);
}
MAGNETAR_DECL Task<> ApplicationBase::replace(ActorProxy<> worker) {
    if (living()) co_await WorkerPool::replace(monitor, worker.id());
}
MAGNETAR_DECL std::vector<ActorProxy<>> ApplicationBase::workers() const {
    auto* actor = living();
    return actor ? actor->running() : std::vector<ActorProxy<>>();
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
