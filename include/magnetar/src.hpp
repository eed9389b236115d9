// All definitions of the library, for separate compilation: included by one file of a program that defines
// MAGNETAR_SEPARATE_COMPILATION everywhere, or by the library target, which consists of that file.
#pragma once
#include <magnetar/config.hpp>
#if MAGNETAR_HEADER_ONLY
#error \
    "define MAGNETAR_SEPARATE_COMPILATION in every file of the program to include <magnetar/src.hpp> in one of them"
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
// Coroutines with a lambda parameter: the lambda's type is local to this file, and so are these coroutines.
#pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif

// clang-format off: in the order of the layers
#include <magnetar/base/detail/impl/standard_streams.ipp>
#include <magnetar/base/impl/errors.ipp>
#include <magnetar/base/detail/impl/id_map.ipp>
#include <magnetar/base/impl/log.ipp>
#include <magnetar/base/detail/impl/pool.ipp>
#include <magnetar/base/detail/impl/virtual_sockets.ipp>
#include <magnetar/coro/detail/impl/children.ipp>
#include <magnetar/wire/detail/impl/binary_codec.ipp>
#include <magnetar/wire/websocket/detail/impl/frame_header.ipp>
#include <magnetar/wire/detail/impl/json_convert.ipp>
#include <magnetar/wire/impl/base64.ipp>
#include <magnetar/wire/impl/bytes.ipp>
#include <magnetar/wire/detail/impl/descriptors.ipp>
#include <magnetar/wire/impl/error.ipp>
#include <magnetar/wire/websocket/impl/frame.ipp>
#include <magnetar/wire/impl/json.ipp>
#include <magnetar/wire/impl/json_parse.ipp>
#include <magnetar/wire/detail/impl/transcode.ipp>
#include <magnetar/wire/impl/utf8.ipp>
#include <magnetar/wire/websocket/detail/impl/sha1.ipp>
#include <magnetar/wire/websocket/impl/handshake.ipp>
#include <magnetar/loop/detail/impl/attempt.ipp>
#include <magnetar/loop/impl/engine_error.ipp>
#include <magnetar/loop/detail/impl/make_engine.ipp>
#include <magnetar/loop/detail/impl/orphans.ipp>
#include <magnetar/loop/detail/impl/spin_policy.ipp>
#include <magnetar/loop/detail/impl/timer_heap.ipp>
#include <magnetar/loop/detail/impl/tiny.ipp>
#include <magnetar/loop/impl/child_process.ipp>
#include <magnetar/loop/impl/clock.ipp>
#include <magnetar/loop/impl/dump.ipp>
#include <magnetar/loop/impl/engine.ipp>
#include <magnetar/loop/detail/impl/epoll_engine.ipp>
#include <magnetar/loop/impl/event_loop.ipp>
#include <magnetar/loop/impl/executor.ipp>
#include <magnetar/loop/impl/exit_status.ipp>
#include <magnetar/loop/impl/loop_handle.ipp>
#include <magnetar/loop/impl/loop_options.ipp>
#include <magnetar/loop/impl/operation.ipp>
#include <magnetar/loop/impl/signals.ipp>
#include <magnetar/loop/impl/stall_watch.ipp>
#include <magnetar/loop/impl/timer.ipp>
#include <magnetar/loop/detail/impl/uring_engine.ipp>
#include <magnetar/net/detail/impl/bound_path.ipp>
#include <magnetar/net/detail/impl/buffer_ring.ipp>
#include <magnetar/net/detail/impl/descriptor.ipp>
#include <magnetar/net/detail/impl/fd_passing.ipp>
#include <magnetar/net/detail/impl/linger.ipp>
#include <magnetar/net/detail/impl/replacement.ipp>
#include <magnetar/net/detail/impl/server_core.ipp>
#include <magnetar/net/detail/impl/stream_core.ipp>
#include <magnetar/net/detail/impl/write.ipp>
#include <magnetar/net/impl/address.ipp>
#include <magnetar/net/impl/address_range.ipp>
#include <magnetar/net/impl/connect.ipp>
#include <magnetar/net/impl/connection.ipp>
#include <magnetar/net/impl/datagram.ipp>
#include <magnetar/net/impl/file.ipp>
#include <magnetar/net/impl/listener.ipp>
#include <magnetar/net/impl/listening_socket.ipp>
#include <magnetar/net/impl/program.ipp>
#include <magnetar/net/impl/proxy_protocol.ipp>
#include <magnetar/net/impl/resolver.ipp>
#include <magnetar/net/impl/stream.ipp>
#include <magnetar/net/detail/impl/websocket_connection.ipp>
#include <magnetar/net/impl/tcp_server.ipp>
#include <magnetar/link/impl/transport.ipp>
#include <magnetar/actor/impl/layer.ipp>
#include <magnetar/app/detail/impl/app_config.ipp>
#include <magnetar/app/detail/impl/application_base.ipp>
#include <magnetar/app/detail/impl/config_file.ipp>
#include <magnetar/app/detail/impl/configuration.ipp>
#include <magnetar/app/detail/impl/control.ipp>
#include <magnetar/app/detail/impl/control_client.ipp>
#include <magnetar/app/detail/impl/control_commands.ipp>
#include <magnetar/app/detail/impl/given_sockets.ipp>
#include <magnetar/app/detail/impl/held_signals.ipp>
#include <magnetar/app/detail/impl/info_text.ipp>
#include <magnetar/app/detail/impl/json_path.ipp>
#include <magnetar/app/detail/impl/metrics.ipp>
#include <magnetar/app/detail/impl/operator.ipp>
#include <magnetar/app/detail/impl/process.ipp>
#include <magnetar/app/detail/impl/program.ipp>
#include <magnetar/app/detail/impl/program_info.ipp>
#include <magnetar/app/detail/impl/reload.ipp>
#include <magnetar/app/detail/impl/scrape.ipp>
#include <magnetar/app/detail/impl/service.ipp>
#include <magnetar/app/detail/impl/serving.ipp>
#include <magnetar/app/detail/impl/service_manager.ipp>
#include <magnetar/app/detail/impl/setting_ops.ipp>
#include <magnetar/app/detail/impl/setting_table.ipp>
#include <magnetar/app/detail/impl/share.ipp>
#include <magnetar/app/detail/impl/top.ipp>
#include <magnetar/app/detail/impl/upkeep.ipp>
#include <magnetar/app/detail/impl/worker_limits.ipp>
#include <magnetar/app/impl/application.ipp>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
