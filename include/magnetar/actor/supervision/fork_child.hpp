#pragma once
#include <sys/types.h>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The parent of the new process.
enum class ChildOf { this_process, parent_of_this_process };

// Like fork(2), but the end of the child sends no SIGCHLD, so that its status is lost neither to a handler
// that waits for any child nor to SIGCHLD being ignored (see __WALL in waitid(2)). It may be made a child of
// this process's parent, for which fork(2) has no parameter.
//
// The C library's own fork runs, including the handlers of pthread_atfork(3), the thread id by which mutexes
// are owned, the list of robust mutexes. Its one system call is intercepted (Linux 5.11 on x86-64: see
// prctl(2), PR_SET_SYSCALL_USER_DISPATCH) and made with other flags. Where that is not possible, and under a
// debugger or ThreadSanitizer, a child of this process is made by plain fork(2), and a child of its parent by
// clone(2), with thread id and robust list but without the handlers.
//
// The kernel writes the child's pid to `made`, if it is not null, when it makes the child; it may be in
// memory shared between processes. Returns as fork does; on failure -1 and errno. Not thread-safe.
pid_t fork_child(ChildOf whose, pid_t* made) noexcept;

// The fallback by clone(2), for a child of this process's parent. This process must have one thread.
pid_t clone_sibling(pid_t* made) noexcept;

// Whether the C library's own fork runs in fork_child.
bool fork_child_is_whole() noexcept;

}  // namespace magnetar::inline MAGNETAR_MODE::detail
