#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/actor/arbiter.hpp>
#include <magnetar/app/detail/app_config.hpp>
#include <magnetar/app/detail/share.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// An application, independent of its types. It outlives the Service that runs it.
class ApplicationBase {
public:
    ApplicationBase(std::string_view name, std::string_view description, std::string_view version);
    ApplicationBase(const ApplicationBase&) = delete;
    virtual ~ApplicationBase();

    const std::string& name() const noexcept { return name_; }
    const std::string& description() const noexcept { return description_; }
    const std::string& version() const noexcept { return version_; }

    // The settings given in the code.
    virtual std::unique_ptr<AppConfig> code_config() const = 0;
    // The default settings, without those given in the code.
    virtual std::unique_ptr<AppConfig> default_config() const = 0;
    // The specification of its monitor, with the present settings; `share` is passed to its workers.
    virtual MonitorSpec monitor_spec(std::shared_ptr<const Share> share) const = 0;
    // The hooks that are not part of the MonitorSpec.
    virtual WorkerHooks hooks() const = 0;
    virtual ErasedHook<> started_hook() const = 0;
    virtual ErasedHook<bool&> ready_hook() const = 0;

    // The following run on the arbiter's loop, and have no effect when the monitor does not run.

    // Makes the monitor with its workers, and returns when they have started.
    Task<> begin(Actor<>& arbiter, std::shared_ptr<const Share> share);
    // Runs the `started` hook, once all workers run.
    Task<> started();
    // Whether all workers run and the `ready` hook agrees. May throw.
    bool is_ready() const;
    // Replaces all workers; changes their number; replaces one worker, starting the new one first.
    Task<> reload();
    Task<> scale(std::uint32_t workers);
    Task<> replace(ActorProxy<> worker);
    std::vector<ActorProxy<>> workers() const;
    void stop_monitor();
    // Returns when the monitor has ended: its sockets are then closed, and get_application() does not find it
    // any more.
    Task<ExitStatus> ended();
    // Unregisters it after its end, or after a failed start.
    void forget() noexcept;

    // Set while it runs.
    ActorProxy<> monitor;
    // The sockets of a server, open before the arbiter is made.
    Sockets sockets = std::make_shared<Sockets::element_type>();
    std::unique_ptr<AppConfig> config;
    // Set while a worker that is over a limit is being replaced.
    bool recycling = false;

    // Makes a share of the present settings and publishes it.
    std::shared_ptr<const Share> publish(const ProcessSettings& process,
                                         const std::vector<std::string>& applications);

private:
    WorkerPool* living() const noexcept;

    std::string name_, description_, version_;
    KeptHandles handles_;  // the monitor's
};

[[noreturn]] void throw_no_serve(const std::string& name);
// Why `name` is not valid for an application; empty when it is.
std::string wrong_name(std::string_view name);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/application_base.ipp>
#endif
