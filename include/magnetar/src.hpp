// The whole library's definitions, for separate compilation: included by one file of a program that defines
// MAGNETAR_SEPARATE_COMPILATION everywhere, or by the library target, which is that file.
#pragma once
#include <magnetar/config.hpp>
#if MAGNETAR_HEADER_ONLY
#error "define MAGNETAR_SEPARATE_COMPILATION in every file of the program to include <magnetar/src.hpp> in one of them"
#endif

#include <magnetar/base/impl/log.ipp>
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
