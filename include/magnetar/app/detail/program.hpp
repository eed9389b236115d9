#pragma once
#include <string>
#include <vector>

#include <magnetar/app/detail/application_base.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

// A program of one or more applications: its command line, its settings, its arbiter.
namespace magnetar::inline MAGNETAR_MODE::detail {

struct ProgramText {
    std::string name, description, version;
};

// What main() does: reads the settings, then runs the applications below an arbiter, or is the operator's
// tool. Gives the exit code.
int run_program(const ProgramText& text, const std::vector<ApplicationBase*>& applications,
                const std::string& without_prefix, int argc, char** argv);

// Puts an application with its settings as they are in the code below an arbiter that runs already.
MAGNETAR_LAZY Task<> begin_application(ApplicationBase& application);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/program.ipp>
#endif
