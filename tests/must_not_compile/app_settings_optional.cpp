// expect: an optional setting must be of one value
#include <magnetar/magnetar.hpp>

#include <magnetar/app/detail/setting_table.hpp>

using namespace magnetar;

struct Settings {
    std::optional<std::vector<int>> ports;
};
void wrong(Settings& settings) {
    detail::SettingTable table("app");
    table.add(settings, "Settings");
}
