#pragma once

/// Applications: programs with a command line, settings and workers under a monitor. Includes magnetar.hpp.
#include <magnetar/app/application.hpp>
#include <magnetar/app/datagram_server.hpp>
#include <magnetar/app/multi_app.hpp>
#include <magnetar/app/settings.hpp>
#include <magnetar/app/socket_server.hpp>
#include <magnetar/magnetar.hpp>
