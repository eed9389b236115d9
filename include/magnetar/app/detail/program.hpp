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

// A program of one or more applications: its command line, its settings, its arbiter.
namespace magnetar::inline MAGNETAR_MODE::detail {

// An application whatever its types are. It outlives the program that runs it.
class ApplicationBase {
public:
    ApplicationBase(std::string name, std::string description, std::string version)
        : name_(std::move(name)), description_(std::move(description)), version_(std::move(version)) {}
    ApplicationBase(const ApplicationBase&) = delete;
    virtual ~ApplicationBase() = default;

    const std::string& name() const noexcept { return name_; }
    const std::string& description() const noexcept { return description_; }
    const std::string& version() const noexcept { return version_; }

    // Its settings as the code has them.
    virtual std::unique_ptr<AppConfig> code_config() const = 0;
    // The same without what the code says.
    virtual std::unique_ptr<AppConfig> default_config() const = 0;
    // Makes the monitor with its workers, and returns when they have started. On the arbiter's loop.
    virtual Task<> begin(Arbiter<>& arbiter, std::shared_ptr<const Share> share) = 0;
    // Runs the hook for when all workers run.
    virtual Task<> started() = 0;
    // Replaces all workers; has so many.
    virtual Task<> reload() = 0;
    virtual Task<> scale(std::uint32_t workers) = 0;
    // Replaces one worker, the new one first.
    virtual Task<> replace(ActorProxy<> worker) = 0;
    virtual std::vector<ActorProxy<>> workers() const = 0;
    virtual WorkerHooks hooks() const = 0;

    // While it runs.
    ActorProxy<> monitor;
    // What it listens on, if it is a server; open before the arbiter is made.
    std::vector<ListeningSocket> sockets;
    std::unique_ptr<AppConfig> config;

    // The share of the present settings, published.
    std::shared_ptr<const Share> publish(const ProcessSettings& process,
                                         const std::vector<std::string>& applications);
    // Ends what runs.
    void stop_monitor();
    // The monitor while it runs; null elsewhere than on its loop.
    Actor<>* monitor_actor() const;

private:
    std::string name_, description_, version_;
};

// All settings of a program, read from all sources.
struct Configuration {
    // As the code has them. `prefixed`: the settings of each application stand below its name.
    Configuration(const std::string& program, const std::vector<ApplicationBase*>& applications,
                  const std::string& without_prefix, bool defaults_only);
    // Reads file, environment and command line; gives the words. Throws SettingError.
    std::vector<SettingTable::Given> read(const std::vector<std::string>& arguments, const std::string& file);

    // What no single value shows. Throws SettingError.
    void validate();
    // Whether a change of it counts for a program that runs.
    bool is_live(std::string_view name) const;

    ProcessSettings process;
    std::vector<std::unique_ptr<AppConfig>> applications;
    SettingTable table;
};

struct ProgramText {
    std::string name, description, version;
};

// What main() does: reads the settings, then runs the applications below an arbiter, or is the operator's
// tool. Gives the exit code.
int run_program(const ProgramText& text, const std::vector<ApplicationBase*>& applications,
                const std::string& without_prefix, int argc, char** argv);

// Puts an application with its settings as they are in the code below an arbiter that runs already.
MAGNETAR_LAZY Task<> begin_application(ApplicationBase& application);

// Says why a name is none for an application; empty when it is.
std::string wrong_name(std::string_view name);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/program.ipp>
#endif
