#pragma once
#include <sys/epoll.h>

#include <memory>

#include <magnetar/config.hpp>
#include <magnetar/loop/detail/tiny.hpp>
#include <magnetar/loop/engine.hpp>
#include <magnetar/loop/loop_options.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

std::unique_ptr<Engine> make_uring(const LoopOptions& options);

// io_uring, or epoll in a process that cannot use it: the first loop detects and logs that.
std::unique_ptr<Engine> best_engine(const LoopOptions& options);

// The engine that MAGNETAR_ENGINE names.
std::unique_ptr<Engine> make_engine(const LoopOptions& options);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/loop/detail/impl/make_engine.ipp>
#endif
