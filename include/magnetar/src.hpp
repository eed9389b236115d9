// The whole library's definitions, for separate compilation: included by one file of a program that defines
// MAGNETAR_SEPARATE_COMPILATION everywhere, or by the library target, which is that file.
#pragma once
#include <magnetar/config.hpp>
#if MAGNETAR_HEADER_ONLY
#error \
    "define MAGNETAR_SEPARATE_COMPILATION in every file of the program to include <magnetar/src.hpp> in one of them"
#endif

// clang-format off: in the order of the layers
#include <magnetar/base/detail/impl/standard_streams.ipp>
#include <magnetar/base/impl/log.ipp>
#include <magnetar/wire/detail/impl/binary_codec.ipp>
#include <magnetar/wire/detail/impl/frame_header.ipp>
#include <magnetar/wire/detail/impl/json_convert.ipp>
#include <magnetar/wire/impl/base64.ipp>
#include <magnetar/wire/impl/bytes.ipp>
#include <magnetar/wire/impl/descriptors.ipp>
#include <magnetar/wire/impl/error.ipp>
#include <magnetar/wire/impl/frame.ipp>
#include <magnetar/wire/impl/json.ipp>
#include <magnetar/wire/impl/json_parse.ipp>
#include <magnetar/wire/impl/utf8.ipp>
#include <magnetar/wire/websocket/detail/impl/sha1.ipp>
#include <magnetar/wire/websocket/impl/handshake.ipp>
#include <magnetar/loop/detail/impl/orphans.ipp>
#include <magnetar/loop/impl/loop_options.ipp>
#include <magnetar/net/detail/impl/bound_path.ipp>
#include <magnetar/net/detail/impl/replacement.ipp>
#include <magnetar/net/impl/program.ipp>
#include <magnetar/actor/detail/impl/circumstances.ipp>
#include <magnetar/actor/detail/impl/deadlock.ipp>
#include <magnetar/actor/detail/impl/door_request.ipp>
#include <magnetar/actor/detail/impl/door_server.ipp>
#include <magnetar/actor/detail/impl/door_session.ipp>
#include <magnetar/actor/detail/impl/error_json.ipp>
#include <magnetar/actor/detail/impl/fork_child.ipp>
#include <magnetar/actor/detail/impl/known_names.ipp>
#include <magnetar/actor/detail/impl/open_command.ipp>
#include <magnetar/actor/detail/impl/remote_connection.ipp>
#include <magnetar/actor/detail/impl/remote_hosts.ipp>
#include <magnetar/actor/detail/impl/remote_link.ipp>
#include <magnetar/actor/detail/impl/remote_routes.ipp>
#include <magnetar/actor/impl/remote_arbiter.ipp>
#include <magnetar/actor/impl/token.ipp>
#include <magnetar/app/detail/impl/app_config.ipp>
#include <magnetar/app/detail/impl/config_file.ipp>
#include <magnetar/app/detail/impl/control.ipp>
#include <magnetar/app/detail/impl/metrics.ipp>
#include <magnetar/app/detail/impl/operator.ipp>
#include <magnetar/app/detail/impl/process.ipp>
#include <magnetar/app/detail/impl/program.ipp>
#include <magnetar/app/detail/impl/serving.ipp>
#include <magnetar/app/detail/impl/setting_ops.ipp>
#include <magnetar/app/detail/impl/setting_table.ipp>
#include <magnetar/app/detail/impl/share.ipp>
#include <magnetar/app/impl/application.ipp>
