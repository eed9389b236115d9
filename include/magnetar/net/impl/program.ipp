#pragma once
#include <magnetar/net/program.hpp>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/event_loop.hpp>
#include <magnetar/loop/timer.hpp>
#include <magnetar/sync/event.hpp>

extern char** environ;

namespace magnetar::inline MAGNETAR_MODE {

namespace detail {

struct SpawnActions {
    SpawnActions() { posix_spawn_file_actions_init(&actions); }
    SpawnActions(const SpawnActions&) = delete;
    ~SpawnActions() { posix_spawn_file_actions_destroy(&actions); }
    posix_spawn_file_actions_t actions;
};
struct SpawnAttributes {
    SpawnAttributes() {
        posix_spawnattr_init(&attributes);
        sigset_t set;
        sigfillset(&set);
        posix_spawnattr_setsigdefault(&attributes, &set);
        sigemptyset(&set);
        posix_spawnattr_setsigmask(&attributes, &set);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    }
    SpawnAttributes(const SpawnAttributes&) = delete;
    ~SpawnAttributes() { posix_spawnattr_destroy(&attributes); }
    posix_spawnattr_t attributes;
};

MAGNETAR_LAZY Task<> collect_program(ProcessHandle process) { co_await process.exited(); }

// Copies of a program's options, which outlive the call that passed them.
struct KeptProgram {
    KeptProgram(std::vector<std::string> c, const ProgramOptions& o)
        : command(std::move(c)), directory(o.directory), input(o.input), options(o) {
        if (o.environment) environment = *o.environment;
        if (!input.empty()) options.in = ProgramStream::pipe;
    }
    ProgramOptions given() const {
        ProgramOptions now = options;
        now.directory = directory;
        now.environment = environment ? &*environment : nullptr;
        return now;
    }
    std::vector<std::string> command;
    std::string directory, input;
    std::optional<std::vector<std::string>> environment;
    ProgramOptions options;
};

MAGNETAR_DECL std::vector<char*> pointers_to(std::span<const std::string> texts) {
    std::vector<char*> pointers;
    for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}
// A pipe with descriptors above 2, so that the child's dup2 onto its standard streams overwrites no pipe end.
MAGNETAR_DECL std::pair<UniqueFd, UniqueFd> pipe_above_standard_streams() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_system_error(errno, "pipe");
    std::pair<UniqueFd, UniqueFd> pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
    for (UniqueFd* end : {&pipe.first, &pipe.second}) {
        if (end->get() > 2) continue;
        UniqueFd above(::fcntl(end->get(), F_DUPFD_CLOEXEC, 3));
        if (!above) throw_system_error(errno, "fcntl F_DUPFD_CLOEXEC");
        *end = std::move(above);
    }
    return pipe;
}

}  // namespace detail

MAGNETAR_DECL RunningProgram::RunningProgram(std::span<const std::string> command,
                                             const ProgramOptions& options)
    : loop_(&EventLoop::require("a program")) {
    if (command.empty() || command.front().empty())
        throw std::invalid_argument("a program that is started needs a name");
    detail::SpawnActions spawn;
    detail::SpawnAttributes attributes;
    auto must = [&command](int error, const char* what) {
        if (error) throw_system_error(error, what, command.front());
    };
    const ProgramStream kinds[] = {options.in, options.out, options.err};
    UniqueFd theirs[3];
    for (int fd = 0; fd < 3; ++fd) {
        if (kinds[fd] == ProgramStream::inherited) continue;
        if (kinds[fd] == ProgramStream::none) {
            must(posix_spawn_file_actions_addopen(&spawn.actions, fd, "/dev/null", O_RDWR, 0), "start of");
            continue;
        }
        auto [reading, writing] = detail::pipe_above_standard_streams();
        theirs[fd] = std::move(fd == 0 ? reading : writing);
        streams_[fd].emplace(std::move(fd == 0 ? writing : reading));
        must(posix_spawn_file_actions_adddup2(&spawn.actions, theirs[fd].get(), fd), "start of");
    }
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
    must(posix_spawn_file_actions_addclosefrom_np(&spawn.actions, 3), "start of");
#endif
    std::string directory(options.directory);
    if (!directory.empty())
        must(posix_spawn_file_actions_addchdir_np(&spawn.actions, directory.c_str()), "start of");
    auto arguments = detail::pointers_to(command);
    std::vector<char*> variables;
    if (options.environment) variables = detail::pointers_to(*options.environment);
    char* none[] = {nullptr};
    char** environment = options.environment ? variables.data() : environ ? environ : none;
    must(::posix_spawnp(&pid_, arguments[0], &spawn.actions, &attributes.attributes, arguments.data(),
                        environment),
         "start of");
    try {
        process_.emplace(pid_);
    } catch (const std::system_error& error) {
        if (error.code().value() == ESRCH) {  // it has ended, and other code has reaped it
            status_ = ExitStatus::unknown();
            return;
        }
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        throw;
    }
}
MAGNETAR_DECL RunningProgram::~RunningProgram() {
    if (!process_ || status_) return;
    try {
        process_->kill(SIGKILL);
        loop_->start(detail::collect_program(std::move(*process_)), nullptr).detach();
    } catch (const std::exception&) {  // a later attempt would fail as well
    }
}

MAGNETAR_DECL Stream& RunningProgram::in() {
    if (!streams_[0]) throw std::logic_error("the standard input of the program is not a pipe");
    return *streams_[0];
}
MAGNETAR_DECL Stream& RunningProgram::out() {
    if (!streams_[1]) throw std::logic_error("the standard output of the program is not a pipe");
    return *streams_[1];
}
MAGNETAR_DECL Stream& RunningProgram::err() {
    if (!streams_[2]) throw std::logic_error("the standard error of the program is not a pipe");
    return *streams_[2];
}
MAGNETAR_LAZY_BODY Task<ExitStatus> RunningProgram::exited() {
    if (!status_) {
        ExitStatus status = co_await process_->exited();
        status_ = status;
    }
    co_return *status_;
}
MAGNETAR_DECL bool RunningProgram::kill(int signal) const {
    return process_ && !status_ && process_->kill(signal);
}
MAGNETAR_LAZY_BODY Task<ExitStatus> RunningProgram::end(std::chrono::nanoseconds patience) {
    if (!status_) {
        kill(SIGTERM);
        try {
            co_await with_timeout(patience, process_->ended());
        } catch (const TimeoutError&) {
            kill(SIGKILL);
        }
    }
    co_return co_await exited();
}

namespace detail {

// State shared by the tasks of a run.
struct ProgramRun {
    ProgramRun(RunningProgram& p, const KeptProgram& k) noexcept : program(p), kept(k) {}
    RunningProgram& program;
    const KeptProgram& kept;
    ProgramEnd end;
    int reading = 0;
    bool over = false;
    Event all_read;
};

MAGNETAR_LAZY Task<> gather_output(ProgramRun& run, Stream& from, std::string& to) {
    ++run.reading;
    try {
        while (auto data = co_await from.read_some()) {
            if (data.size() > run.kept.options.most - to.size())
                throw std::length_error(fmt::format("{} has written more than {} bytes",
                                                    run.kept.command.front(), run.kept.options.most));
            to.append(data);
        }
    } catch (const std::system_error& error) {
        if (!run.over || error.code().value() != ECANCELED) throw;
    }
    if (--run.reading == 0) run.all_read.set();
}
MAGNETAR_LAZY Task<> feed_input(ProgramRun& run) {
    try {
        co_await run.program.in().write(std::string_view(run.kept.input));
    } catch (const std::system_error& error) {  // the program need not read all input
        int code = error.code().value();
        if (code != EPIPE && code != ECANCELED && code != EBADF) throw;
    }
    run.program.in().close();
}
MAGNETAR_LAZY Task<> see_program_end(ProgramRun& run, bool out, bool err, bool in) {
    ExitStatus status = co_await run.program.exited();
    run.end.status = status;
    if (run.reading > 0) {
        try {
            co_await with_timeout(std::chrono::seconds(1), run.all_read.wait());
        } catch (const TimeoutError&) {}
    }
    run.over = true;
    if (out) run.program.out().close();
    if (err) run.program.err().close();
    if (in) run.program.in().close();
}
MAGNETAR_LAZY Task<ProgramEnd> run_kept_program(KeptProgram kept) {
    RunningProgram program(kept.command, kept.given());
    ProgramRun run(program, kept);
    bool in = kept.options.in == ProgramStream::pipe, out = kept.options.out == ProgramStream::pipe,
         err = kept.options.err == ProgramStream::pipe;
    std::vector<Task<>> parts;
    if (out) parts.push_back(gather_output(run, program.out(), run.end.out));
    if (err) parts.push_back(gather_output(run, program.err(), run.end.err));
    if (in) parts.push_back(feed_input(run));
    parts.push_back(see_program_end(run, out, err, in));
    std::exception_ptr failure;
    try {
        co_await when_all(std::move(parts));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await program.end(kept.options.patience);
        std::rethrow_exception(failure);
    }
    co_return std::move(run.end);
}

}  // namespace detail

MAGNETAR_LAZY_BODY Task<ProgramEnd> run_program(std::initializer_list<std::string_view> command,
                                                ProgramOptions options) {
    return detail::run_kept_program(
        detail::KeptProgram(std::vector<std::string>(command.begin(), command.end()), options));
}
MAGNETAR_LAZY_BODY Task<ProgramEnd> run_program(std::span<const std::string> command,
                                                ProgramOptions options) {
    return detail::run_kept_program(
        detail::KeptProgram(std::vector<std::string>(command.begin(), command.end()), options));
}

}  // namespace magnetar::inline MAGNETAR_MODE
