// The whole library's definitions, for separate compilation: included by one file of a program that defines
// MAGNETAR_SEPARATE_COMPILATION everywhere, or by the library target, which is that file.
#pragma once
#include <magnetar/config.hpp>
#if MAGNETAR_HEADER_ONLY
#error "define MAGNETAR_SEPARATE_COMPILATION in every file of the program to include <magnetar/src.hpp> in one of them"
#endif
#include <magnetar/wire/websocket/detail/impl/sha1.ipp>
#include <magnetar/wire/websocket/impl/handshake.ipp>
#include <magnetar/actor/detail/impl/door_request.ipp>
#include <magnetar/actor/detail/impl/door_server.ipp>
#include <magnetar/actor/detail/impl/door_session.ipp>
#include <magnetar/actor/detail/impl/error_json.ipp>
#include <magnetar/actor/detail/impl/open_command.ipp>
#include <magnetar/actor/detail/impl/remote_connection.ipp>
#include <magnetar/actor/detail/impl/remote_hosts.ipp>
#include <magnetar/actor/detail/impl/remote_link.ipp>
#include <magnetar/actor/detail/impl/remote_routes.ipp>
#include <magnetar/actor/impl/remote_arbiter.ipp>
#include <magnetar/actor/impl/token.ipp>
