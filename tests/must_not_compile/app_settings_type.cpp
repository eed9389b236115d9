// expect: a setting cannot be of this type: make it a number, text, enumeration, duration, ByteSize, an
// optional
#include <magnetar/magnetar.hpp>

#include <magnetar/app/detail/setting_table.hpp>

using namespace magnetar;

struct Settings {
    int* address = nullptr;
};
void wrong(Settings& settings) {
    detail::SettingTable table("app");
    table.add(settings, "Settings");
}
