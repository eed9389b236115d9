// Durations, clocks and their literals, for all headers: what <chrono> has besides, calendars, time zones and
// their streams, takes a fifth of a second in each file that includes it.
#pragma once

#if __has_include(<bits/chrono.h>)
#include <bits/chrono.h>
#else
#include <chrono>
#endif
