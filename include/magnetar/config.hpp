// Compilation modes of the library. Every header includes this first.
//
// Header-only is the default. If MAGNETAR_SEPARATE_COMPILATION is defined in every file of a program, a
// header `layer/x.hpp` holds only declarations, templates and the hot path. The rest is in `layer/impl/x.ipp`
// and is compiled once: by the library target `magnetar`, or by the one file of the program that includes
// <magnetar/src.hpp>.
//
// A function in an .ipp file starts with MAGNETAR_DECL. A coroutine starts with MAGNETAR_LAZY_BODY instead,
// and its declaration with MAGNETAR_LAZY: in header-only mode it is a template, because g++ -O0 emits any
// other coroutine wherever it sees one, called or not, with everything it calls. A rarely used part is a
// class template `template <class = void>` behind one or a few such functions (ReconcilingPool, DoorSession):
// its members need no marks, and a file that does not use it emits none of it. Code that cannot be a template
// but starts such a part (a destructor, a signal handler) calls it through a virtual function, or through a
// pointer set by the entry function. Further declarations, such as friend declarations, also start with
// MAGNETAR_LAZY_BODY.
//
// The two modes use different inline namespaces: objects compiled in one mode do not link to declarations
// seen in the other.
#pragma once

#if !defined(__cplusplus) || __cplusplus < 202002L
#error "magnetar needs C++20: compile with -std=c++20 or later"
#elif !defined(__cpp_impl_coroutine) || __cpp_impl_coroutine < 201902L
#error "magnetar needs coroutines: g++ 12 or clang++ 19 or later"
#elif !defined(__cpp_exceptions)
#error "magnetar reports errors as exceptions: compile without -fno-exceptions"
#elif !defined(__cpp_rtti)
#error "magnetar names the types of exceptions: compile without -fno-rtti"
#elif !defined(__linux__)
#error "magnetar runs on Linux: its event loop is io_uring or epoll"
#else
#define MAGNETAR_CAN_BE_COMPILED
#endif
#ifndef MAGNETAR_CAN_BE_COMPILED
// No such file exists: the compiler stops here; after #error alone it would report hundreds of further
// errors.
#include <magnetar: see the error above>
#endif

#include <magnetar/version.hpp>

#ifdef MAGNETAR_SEPARATE_COMPILATION
#define MAGNETAR_HEADER_ONLY 0
#define MAGNETAR_MODE compiled
#define MAGNETAR_DECL
#define MAGNETAR_LAZY
#define MAGNETAR_LAZY_BODY
#else
#define MAGNETAR_HEADER_ONLY 1
#define MAGNETAR_MODE header_only
#define MAGNETAR_DECL inline
#define MAGNETAR_LAZY template <class = void>
#define MAGNETAR_LAZY_BODY template <class>
#endif

namespace magnetar::inline MAGNETAR_MODE {
namespace detail {}
namespace testing {}
}  // namespace magnetar::inline MAGNETAR_MODE
