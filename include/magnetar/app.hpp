#pragma once

/// Applications: programs with a command line, settings and workers below a monitor. Includes all of magnetar.hpp.
#include <magnetar/app/application.hpp>
#include <magnetar/magnetar.hpp>
