#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/app/detail/program.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// The options of a program of several applications.
struct MultiAppOptions {
    /// The program's name, and the prefix of the environment variables.
    std::string_view name{};
    std::string_view description{}, version{};
    /// The application whose settings have no prefix, if any.
    std::string_view main{};
};

/// Several applications under one arbiter, with one command line, one control socket and one log. The
/// settings of each are prefixed with its name: `--shop-workers 2`, `[shop] workers = 2`,
/// `NAME_SHOP_WORKERS=2`.
///
///     Application<Clerk> shop({.name = "shop"});
///     SocketServer<> door({.name = "door", .serve = let_in});
///     return MultiApp({.name = "mall"}, shop, door).start(argc, argv);
///
/// It ends when the last of them has ended. The applications must outlive it.
class MultiApp {
public:
    template <class... Applications>
    explicit MultiApp(const MultiAppOptions& options, Applications&... applications)
        : text_{std::string(options.name), std::string(options.description), std::string(options.version)},
          main_(options.main),
          applications_{&applications...} {
        static_assert((std::is_base_of_v<detail::ApplicationBase, Applications> && ...),
                      "a MultiApp is made of Applications and servers");
    }
    /// See Application::start. Returns 2 when two applications have the same name.
    int start(int argc, char** argv) { return detail::run_program(text_, applications_, main_, argc, argv); }

private:
    detail::ProgramText text_;
    std::string main_;
    std::vector<detail::ApplicationBase*> applications_;
};

}  // namespace magnetar::inline MAGNETAR_MODE
