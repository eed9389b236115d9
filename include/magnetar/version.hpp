#pragma once

/// The version of this copy: 10000 * major + 100 * minor + patch. Read by the build files, too.
#define MAGNETAR_VERSION 200
