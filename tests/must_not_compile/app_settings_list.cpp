// expect: the items of a list must be of one value each
#include <magnetar/magnetar.hpp>

#include <magnetar/app/detail/setting_table.hpp>

using namespace magnetar;

struct Settings {
    std::vector<std::vector<int>> ports;
};
void wrong(Settings& settings) {
    detail::SettingTable table("app");
    table.add(settings, "Settings");
}
