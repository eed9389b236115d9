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

// The body of main(): reads the settings, then runs the applications under an arbiter, or acts as the
// operator's tool. Returns the exit code.
int run_program(const ProgramText& text, const std::vector<ApplicationBase*>& applications,
                const std::string& without_prefix, int argc, char** argv);

// Starts an application, with the settings given in the code, under the running arbiter.
MAGNETAR_LAZY Task<> begin_application(ApplicationBase& application);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/program.ipp>
#endif
