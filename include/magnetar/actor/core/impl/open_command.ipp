#pragma once

#include <magnetar/actor/core/open_command.hpp>

#include <fmt/core.h>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::vector<OpenCommand>& open_commands() {
    static auto& all = *new std::vector<OpenCommand>;  // never freed: the stall watch reads the names
    return all;
}

MAGNETAR_DECL const OpenCommand* find_open_command(std::string_view name, const void* state) noexcept {
    if (state)
        for (const OpenCommand& open : open_commands())
            if (open.state == state && open.name == name) return &open;
    return nullptr;
}

MAGNETAR_DECL bool is_open_to_all(std::string_view name) noexcept {
    return name == "ping" || name == "echo" || name == "info";
}

MAGNETAR_DECL Task<Json> OpenCommand::call(Actor<>& actor, Request& request, Json arguments) const {
    if (!arguments.is_object() || parameters.empty()) return function(actor, request, std::move(arguments));
    Json list = Json::array();
    for (auto parameter : parameters) {
        Json* given = arguments.find(parameter);
        if (!given) throw CodecError("args", fmt::format("the argument '{}' is missing", parameter));
        list.push_back(std::move(*given));
    }
    if (arguments.size() > parameters.size())
        throw CodecError("args", fmt::format("more arguments than the {} of '{}'", parameters.size(), name));
    return function(actor, request, std::move(list));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
