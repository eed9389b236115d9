// How the library is compiled. Every header includes this first.
//
// Header-only is the default. With MAGNETAR_SEPARATE_COMPILATION defined in every file of a program, a header
// `layer/x.hpp` holds declarations, templates and the hot path, and what stands in its twin
// `layer/impl/x.ipp` is compiled once: by the library `magnetar`, or by one file of the program's that
// includes <magnetar/src.hpp>.
//
// A function in a twin starts with MAGNETAR_DECL. A coroutine starts with MAGNETAR_LAZY_BODY instead, and its
// declaration with MAGNETAR_LAZY: header-only it is a template, because g++ -O0 emits any other coroutine
// wherever it sees one, called or not, with all that it calls. A part that few programs use is a class template
// `template <class = void>` behind one or a few such functions (ReconcilingPool, DoorSession): its members need
// no marks, and a file that does not use it emits none of it. What must be no template and starts such a part,
// as a destructor or a signal's handler, does it by a virtual function, or a pointer that the way in sets.
// Further declarations, as those of friends, start with MAGNETAR_LAZY_BODY too.
//
// The two ways use different inline namespaces: objects compiled one way do not link to declarations seen the
// other way.
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
// No such file: a compiler ends here, where after #error alone it would go on and report hundreds more.
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
