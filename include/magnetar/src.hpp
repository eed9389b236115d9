// The whole library's definitions, for separate compilation: included by one file of a program that defines
// MAGNETAR_SEPARATE_COMPILATION everywhere, or by the library target, which is that file.
#pragma once
#include <magnetar/config.hpp>
#if MAGNETAR_HEADER_ONLY
#error \
    "define MAGNETAR_SEPARATE_COMPILATION in every file of the program to include <magnetar/src.hpp> in one of them"
#endif

#include <magnetar/loop/impl/loop_options.ipp>
#include <magnetar/net/detail/impl/bound_path.ipp>
#include <magnetar/net/detail/impl/replacement.ipp>
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
