#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

#include <magnetar/config.hpp>
#include <magnetar/wire/json.hpp>

// Lenient access to the info of actors, of which any part may be missing.
namespace magnetar::inline MAGNETAR_MODE::detail {

using JsonPath = std::initializer_list<std::string_view>;

// The member at the end of the path, or null.
const Json* find_at(const Json& json, JsonPath path);
// The number there, or 0; the string there, another value as JSON text, or `?` if there is none.
double number_at(const Json& json, JsonPath path);
std::string text_at(const Json& json, JsonPath path);
bool is_true_at(const Json& json, JsonPath path);
// The sum of a number over all servers of a worker.
double servers_sum(const Json& worker, std::string_view key);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/json_path.ipp>
#endif
