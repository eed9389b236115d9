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

// An application whatever its types are. It outlives the program that runs it.
class ApplicationBase {
public:
    ApplicationBase(std::string_view name, std::string_view description, std::string_view version);
    ApplicationBase(const ApplicationBase&) = delete;
    virtual ~ApplicationBase();

    const std::string& name() const noexcept { return name_; }
    const std::string& description() const noexcept { return description_; }
    const std::string& version() const noexcept { return version_; }

    // Its settings as the code has them.
    virtual std::unique_ptr<AppConfig> code_config() const = 0;
    // The same without what the code says.
    virtual std::unique_ptr<AppConfig> default_config() const = 0;
    // What its monitor is made from, with the present settings; `share` is what its workers are given.
    virtual MonitorSpec monitor_spec(std::shared_ptr<const Share> share) const = 0;
    // What runs beside the hooks in there.
    virtual WorkerHooks hooks() const = 0;
    virtual ErasedHook<> started_hook() const = 0;
    virtual ErasedHook<bool&> ready_hook() const = 0;

    // The rest is done on the arbiter's loop, and nothing when the monitor does not run.

    // Makes the monitor with its workers, and returns when they have started.
    Task<> begin(Actor<>& arbiter, std::shared_ptr<const Share> share);
    // Runs the hook for when all workers run.
    Task<> started();
    // Whether all workers run, and what its own check says. May throw.
    bool is_ready() const;
    // Replaces all workers; has so many; replaces one, the new one first.
    Task<> reload();
    Task<> scale(std::uint32_t workers);
    Task<> replace(ActorProxy<> worker);
    std::vector<ActorProxy<>> workers() const;
    void stop_monitor();
    // Returns when the monitor has ended: then nobody listens any more, and get_application() finds nothing.
    Task<ExitStatus> ended();
    // It is not there any more, or never was.
    void forget() noexcept;

    // While it runs.
    ActorProxy<> monitor;
    // What it listens on, if it is a server; open before the arbiter is made.
    Sockets sockets = std::make_shared<Sockets::element_type>();
    std::unique_ptr<AppConfig> config;
    // Whether one of its workers is being replaced because it is over a limit.
    bool recycling = false;

    // The share of the present settings, published.
    std::shared_ptr<const Share> publish(const ProcessSettings& process,
                                         const std::vector<std::string>& applications);

private:
    WorkerPool* living() const noexcept;

    std::string name_, description_, version_;
    KeptHandles handles_;  // the monitor's
};

[[noreturn]] void throw_no_serve(const std::string& name);
// Says why a name is none for an application; empty when it is.
std::string wrong_name(std::string_view name);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/application_base.ipp>
#endif
