#pragma once
#include <sys/types.h>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// Whose child the new process is.
enum class ChildOf { this_process, parent_of_this_process };

// fork(2) of a child that is nobody's but who forked it: its end sends no SIGCHLD, so that neither a handler
// that waits for any child nor SIGCHLD being ignored takes its status away (see __WALL in waitid(2)). It may
// be a child of this process's parent, which fork(2) has no way to say.
//
// The C library's own fork runs, with all that belongs to it: the handlers of pthread_atfork(3), the thread
// id that mutexes are owned by, the list of robust mutexes. Its one system call is intercepted (Linux 5.11 on
// x86-64: see prctl(2), PR_SET_SYSCALL_USER_DISPATCH) and made with other flags. Where that does not go,
// and under a debugger or ThreadSanitizer, a child of this process is a plain one, and one of its parent is
// made by clone(2), with thread id and robust list but without the handlers.
//
// Location `made` is given, in memory that processes share, the kernel writes the child's pid there as it
// makes it. Returns as fork does; on failure -1 and errno. One thread at a time.
pid_t fork_child(ChildOf whose, pid_t* made) noexcept;

// The second way, for a child of this process's parent. This process must have one thread.
pid_t clone_sibling(pid_t* made) noexcept;

// Whether the C library's own fork runs in fork_child.
bool fork_child_is_whole() noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
