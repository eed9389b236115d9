#pragma once
#include <span>
#include <string_view>
#include <vector>

#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/base/reflect.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/json.hpp>
#include <magnetar/wire/json_codec.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// A command that an actor type opens to clients.
struct OpenCommand {
    std::string_view name;
    const void* state;
    std::span<const std::string_view> parameters;  // parameter names, if given
    Task<Json> (*function)(Actor<>&, Request&, Json arguments);

    // The arguments are an array, or an object keyed by parameter names. Throws CodecError.
    Task<Json> call(Actor<>& actor, Request& request, Json arguments) const;
};

std::vector<OpenCommand>& open_commands();
// The command of that name that the actor type opens, or null.
const OpenCommand* find_open_command(std::string_view name, const void* state) noexcept;
// Whether every actor answers this command, to any client.
bool is_open_to_all(std::string_view name) noexcept;

template <fixed_string Name, auto F, fixed_string... Parameters>
struct NamedCommand {};

template <auto Item>
struct OpenItem {
    static constexpr auto function = Item;
    static constexpr std::string_view name = last_identifier(function_name<Item>());
    static constexpr std::span<const std::string_view> parameters{};
};
template <class Item>
struct OpenNamedItem;
template <fixed_string Name, auto F, fixed_string... Parameters>
struct OpenNamedItem<NamedCommand<Name, F, Parameters...>> {
    static constexpr auto function = F;
    static constexpr std::string_view name = Name.view();
    static constexpr std::array<std::string_view, sizeof...(Parameters)> names{Parameters.view()...};
    static constexpr std::span<const std::string_view> parameters{names};
};
template <auto Item>
    requires requires { typename OpenNamedItem<std::remove_const_t<decltype(Item)>>; } &&
             std::is_class_v<decltype(Item)>
struct OpenItem<Item> : OpenNamedItem<std::remove_const_t<decltype(Item)>> {};

template <class State, auto Item>
bool open_one() {
    using Open = OpenItem<Item>;
    constexpr auto F = Open::function;
    using Bound = CommandTraits<F>;
    static_assert(std::is_void_v<typename Bound::State> || std::is_same_v<typename Bound::State, State>,
                  "an actor type can open its own commands, and functions that any actor can carry out");
    static_assert(Bound::is_serialisable,
                  "an open command's parameters and result must be types that the codec knows");
    static_assert(
        Open::parameters.empty() ||
            []<class... P>(Arguments<P...>*) {
                return sizeof...(P) == Open::parameters.size();
            }(static_cast<typename Bound::Args*>(nullptr)),
        "Named gives all of a command's parameters a name, or none");
    entry_of<F>.open_name = Open::name;
    open_commands().push_back({Open::name, state_tag<State>(), Open::parameters, &call_by_name<F>});
    return register_command(entry_of<F>);
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail

namespace magnetar::inline MAGNETAR_MODE {

template <auto... Items>
struct Commands;

template <class State>
bool detail::open_commands_of() {
    return []<auto... Items>(Commands<Items...>*) {
        return (open_one<State, Items>() && ... && true);
    }(static_cast<typename State::commands*>(nullptr));
}

}  // namespace magnetar::inline MAGNETAR_MODE
