// The whole library's definitions, for separate compilation: included by one file of a program that defines
// MAGNETAR_SEPARATE_COMPILATION everywhere, or by the library target, which is that file.
#pragma once
#include <magnetar/config.hpp>
#if MAGNETAR_HEADER_ONLY
#error "define MAGNETAR_SEPARATE_COMPILATION in every file of the program to include <magnetar/src.hpp> in one of them"
#endif

#include <magnetar/base/detail/impl/standard_streams.ipp>

#include <magnetar/loop/detail/impl/orphans.ipp>

#include <magnetar/net/impl/program.ipp>

#include <magnetar/actor/detail/impl/circumstances.ipp>
#include <magnetar/actor/detail/impl/fork_child.ipp>
