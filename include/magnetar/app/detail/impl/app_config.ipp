#pragma once
#include <stdexcept>

#include <magnetar/app/detail/app_config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL AppConfig::AppConfig(const UserSettingsType& t, Serves s)
    : type(&t), serves(s), user(t.make()) {}
MAGNETAR_DECL AppConfig::AppConfig(const AppConfig& other)
    : type(other.type),
      serves(other.serves),
      workers(other.workers),
      binding(other.binding),
      serving(other.serving),
      user(other.type->copy(other.user.get())),
      origins(other.origins) {}
MAGNETAR_DECL AppConfig::~AppConfig() = default;

MAGNETAR_DECL void AppConfig::add_to(SettingTable& table, const std::string& prefix) {
    type->add(table, user.get(), prefix);
    table.add(workers, "Workers", prefix);
    if (serves != Serves::nothing) table.add(binding, "Server", prefix);
    if (serves == Serves::connections) table.add(serving, "Server", prefix);
}
MAGNETAR_DECL std::vector<std::vector<std::string>> AppConfig::pack() const {
    AppConfig copy(*this);
    SettingTable table("");
    copy.add_to(table, {});
    std::vector<std::vector<std::string>> values;
    for (auto& setting : table.settings()) values.push_back(setting.ops->write(setting.field));
    return values;
}
MAGNETAR_DECL void AppConfig::unpack(const std::vector<std::vector<std::string>>& values) {
    SettingTable table("");
    add_to(table, {});
    if (values.size() != table.settings().size())
        throw std::logic_error("the received settings are those of another application");
    for (std::size_t i = 0; i < values.size(); ++i) {
        auto& setting = table.settings()[i];
        setting.ops->clear(setting.field);
        for (auto& text : values[i]) setting.ops->read(setting.field, text);
    }
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
