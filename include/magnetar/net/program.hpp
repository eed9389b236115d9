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

/// What a program has as a standard stream: the one of this process, /dev/null, or a pipe to this process.
enum class ProgramStream : std::uint8_t { inherited, none, pipe };

/// How a program is started. All that it refers to is copied before run_program or the constructor of
/// RunningProgram returns.
struct ProgramOptions {
    /// Where it runs; empty: where this process does.
    std::string_view directory{};
    /// Its whole environment, as `NAME=value`; null: this process's.
    const std::vector<std::string>* environment = nullptr;
    ProgramStream in = ProgramStream::none;
    ProgramStream out = ProgramStream::pipe;
    ProgramStream err = ProgramStream::inherited;
    /// For run_program: what it reads, through a pipe.
    std::string_view input{};
    /// For run_program: so many bytes of each of its outputs are kept; one that writes more is ended.
    std::size_t most = 16 << 20;
    /// For run_program: the time between SIGTERM and SIGKILL when it is to end; zero or less: none.
    std::chrono::nanoseconds patience = std::chrono::seconds(3);
};

/// A program in a process of its own, a child of this one, with pipes to it. It has every signal as by
/// default and none blocked, and no descriptors but the standard streams (before glibc 2.34: and those of
/// this process that are not closed on exec). It stays in this process's group, and so ends with it when this
/// is a worker that ends.
///
/// Belongs to the loop on which it was made. Destroyed before its end is known, it is killed.
class RunningProgram {
public:
    /// Starts `command`, its name (looked for in PATH when it has no `/`) and its arguments. Throws
    /// std::system_error when it cannot be started, std::invalid_argument for no command at all. See
    /// posix_spawn(3).
    RunningProgram(std::span<const std::string> command, const ProgramOptions& options = {});
    RunningProgram(RunningProgram&&) noexcept = default;
    RunningProgram& operator=(RunningProgram&&) = delete;
    ~RunningProgram();

    pid_t pid() const noexcept { return pid_; }
    /// The pipes; std::logic_error for a stream that is not one. What is written to `in` it reads, to the end
    /// of the stream when that is closed.
    Stream& in();
    Stream& out();
    Stream& err();
    /// Waits for its end; ExitStatus::unknown() when somebody else has collected it. One coroutine at a time.
    MAGNETAR_LAZY Task<ExitStatus> exited();
    /// Sends it a signal; false when it has ended. Throws std::system_error when it may not be sent.
    bool kill(int signal) const;
    /// Ends it with SIGTERM, and with SIGKILL when it has not ended after `patience`; how it ended.
    MAGNETAR_LAZY Task<ExitStatus> end(std::chrono::nanoseconds patience);

private:
    pid_t pid_ = -1;
    EventLoop* loop_ = nullptr;
    std::optional<ProcessHandle> process_;
    std::optional<ExitStatus> status_;
    std::optional<Stream> streams_[3];
};

/// What a program has done.
struct ProgramEnd {
    ExitStatus status;
    /// What it has written, where that was a pipe.
    std::string out, err;
};

/// Runs a program until its end, gives it what it is to read and gathers what it writes. Cancelled, by
/// with_timeout as by the end of its actor, it ends the program first, and waits until it has ended. What
/// others have of its pipes, as a child that it leaves behind, is not waited for longer than a second after
/// its own end. Throws as RunningProgram, and std::length_error when it writes too much.
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
