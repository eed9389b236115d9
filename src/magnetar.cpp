#if defined(__GNUC__) && !defined(__clang__)
// Coroutines with a lambda for a parameter: its type is of this file alone, and so are they.
#pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif

#include <magnetar/src.hpp>
