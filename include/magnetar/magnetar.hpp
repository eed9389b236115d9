#pragma once

/// All of magnetar except the applications (app.hpp) and the testing kit (testing/).
#include <magnetar/actor/arbiter.hpp>
#include <magnetar/actor/groups.hpp>
#include <magnetar/actor/open_commands.hpp>
#include <magnetar/actor/remote_arbiter.hpp>
#include <magnetar/coro/task_group.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/coro/when_any.hpp>
#include <magnetar/loop/executor.hpp>
#include <magnetar/loop/shield.hpp>
#include <magnetar/net/address.hpp>
#include <magnetar/net/connect.hpp>
#include <magnetar/net/connection.hpp>
#include <magnetar/net/datagram.hpp>
#include <magnetar/net/file.hpp>
#include <magnetar/net/listener.hpp>
#include <magnetar/net/listening_socket.hpp>
#include <magnetar/net/program.hpp>
#include <magnetar/net/read_data.hpp>
#include <magnetar/net/resolver.hpp>
#include <magnetar/net/stream.hpp>
#include <magnetar/net/tcp_server.hpp>
#include <magnetar/sync/channel.hpp>
#include <magnetar/sync/event.hpp>
#include <magnetar/sync/gate.hpp>
#include <magnetar/sync/mutex.hpp>
#include <magnetar/sync/semaphore.hpp>

// Programs rely on the names from <thread> and <algorithm> that this header provides in header-only mode.
// These internal headers of the standard library declare std::this_thread and std::is_sorted at a fraction of
// the cost.
#if __has_include(<bits/std_thread.h>) && __has_include(<bits/stl_algo.h>)
#include <bits/std_thread.h>
#include <bits/stl_algo.h>
#endif
