// Durations, clocks and their literals, for all headers. The rest of <chrono> (calendars, time zones and
// their streams) costs a fifth of a second in each file that includes it.
#pragma once

#if __has_include(<bits/chrono.h>)
#include <bits/chrono.h>
#else
#include <chrono>
#endif
