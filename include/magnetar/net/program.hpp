#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <magnetar/base/detail/chrono.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>
#include <magnetar/loop/child_process.hpp>
#include <magnetar/net/stream.hpp>

namespace magnetar::inline MAGNETAR_MODE {

/// What a standard stream of a program refers to: that of this process, /dev/null, or a pipe to this process.
enum class ProgramStream : std::uint8_t { inherited, none, pipe };

/// Options for starting a program. Everything they refer to is copied before run_program or the constructor
/// of RunningProgram returns.
struct ProgramOptions {
    /// Working directory; empty: that of this process.
    std::string_view directory{};
    /// The complete environment, as `NAME=value`; null: that of this process.
    const std::vector<std::string>* environment = nullptr;
    ProgramStream in = ProgramStream::none;
    ProgramStream out = ProgramStream::pipe;
    ProgramStream err = ProgramStream::inherited;
    /// For run_program: the program's input, passed through a pipe.
    std::string_view input{};
    /// For run_program: maximum number of bytes of each output; a program that writes more is ended.
    std::size_t most = 16 << 20;
    /// For run_program: the time between SIGTERM and SIGKILL when it ends the program; zero or less: none.
    std::chrono::nanoseconds patience = std::chrono::seconds(3);
};

/// A program that runs in a child process, with pipes to it. All its signals have their default actions and
/// none is blocked. It has no descriptors but the standard streams (before glibc 2.34 also those of this
/// process that are not close-on-exec). It stays in this process's group: when this process is a worker and
/// ends, the program ends with it.
///
/// Belongs to the loop on which it was made. The destructor kills the program if its end is not known yet.
class RunningProgram {
public:
    /// Starts `command`: the program's name (searched in PATH when it has no `/`) and its arguments. Throws
    /// std::system_error when it cannot be started, std::invalid_argument for an empty command. See
    /// posix_spawn(3).
    RunningProgram(std::span<const std::string> command, const ProgramOptions& options = {});
    RunningProgram(RunningProgram&&) noexcept = default;
    RunningProgram& operator=(RunningProgram&&) = delete;
    ~RunningProgram();

    pid_t pid() const noexcept { return pid_; }
    /// The pipes; throws std::logic_error for a stream that is not a pipe. The program reads what is written
    /// to `in`, and the end of the stream when `in` is closed.
    Stream& in();
    Stream& out();
    Stream& err();
    /// Waits for its end; ExitStatus::unknown() when other code has reaped it. One coroutine at a time.
    MAGNETAR_LAZY Task<ExitStatus> exited();
    /// Sends it a signal; false when it has ended. Throws std::system_error when that is not permitted.
    bool kill(int signal) const;
    /// Ends it with SIGTERM, and with SIGKILL when it has not ended after `patience`. Returns its exit
    /// status.
    MAGNETAR_LAZY Task<ExitStatus> end(std::chrono::nanoseconds patience);

private:
    pid_t pid_ = -1;
    EventLoop* loop_ = nullptr;
    std::optional<ProcessHandle> process_;
    std::optional<ExitStatus> status_;
    std::optional<Stream> streams_[3];
};

/// The result of run_program.
struct ProgramEnd {
    ExitStatus status;
    /// Its output, where the stream was a pipe.
    std::string out, err;
};

/// Runs a program until its end, passes it its input and collects its output. When cancelled, by with_timeout
/// or by the end of its actor, it first ends the program and waits until that has ended. If another process
/// holds the pipes, such as a child that the program leaves behind, it waits at most one second after the
/// program's end. Throws as RunningProgram does, and std::length_error when the program writes too much.
///
///     auto listing = co_await run_program({"ls", "-l", "/tmp"});
///     if (listing.status.clean()) fmt::print("{}", listing.out);
MAGNETAR_LAZY Task<ProgramEnd> run_program(std::initializer_list<std::string_view> command,
                                           ProgramOptions options = {});
MAGNETAR_LAZY Task<ProgramEnd> run_program(std::span<const std::string> command, ProgramOptions options = {});

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/net/impl/program.ipp>
#endif
