#include <doctest/doctest.h>
#include <magnetar/base/detail/id_map.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

using magnetar::detail::IdMap;

TEST_CASE("id map: finds what is in it, and nothing else") {
    IdMap<std::string> map;
    CHECK(map.empty());
    CHECK(map.any() == nullptr);
    CHECK(map.find(7) == nullptr);
    CHECK_FALSE(map.erase(7));
    std::string& seven = map[7];
    CHECK(seven.empty());
    seven = "seven";
    CHECK(&map[7] == &seven);
    CHECK(map.any() == &seven);
    CHECK(map.size() == 1);
    CHECK(map.find(15) == nullptr);
    CHECK(map.erase(7));
    CHECK(map.empty());
    CHECK(map.find(7) == nullptr);
}

TEST_CASE(
    "id map: agrees with std::map through growth and every order of erasing, and values stay in place") {
    IdMap<std::unique_ptr<int>> map;
    std::map<std::uint64_t, std::unique_ptr<int>*> model;
    std::uint64_t id = 1;
    for (int i = 0; i < 20000; ++i) {
        id = id * 6364136223846793005ull + 1442695040888963407ull;
        std::uint64_t key = i % 3 ? id >> 54 : id >> 54 << 40;  // sets of bits far apart
        if (id >> 20 & 1) {
            auto& value = map[key];
            if (!value) value = std::make_unique<int>(i);
            CHECK(model.try_emplace(key, &value).first->second == &value);
        } else {
            CHECK(map.erase(key) == (model.erase(key) == 1));
        }
    }
    CHECK(map.size() == model.size());
    CHECK(model.size() > 100);
    std::size_t seen = 0;
    map.for_each([&](std::uint64_t key, std::unique_ptr<int>& value) {
        ++seen;
        CHECK(model.at(key) == &value);
    });
    CHECK(seen == model.size());
}

TEST_CASE("id map: one may be erased as it is visited") {
    IdMap<int> map;
    for (std::uint64_t id = 0; id < 100; ++id) map[id] = static_cast<int>(id);
    map.for_each([&](std::uint64_t id, int value) {
        if (value % 2) map.erase(id);
    });
    CHECK(map.size() == 50);
    CHECK(map.find(3) == nullptr);
    CHECK(*map.find(4) == 4);
    map.clear();
    CHECK(map.empty());
    map[5] = 1;
    CHECK(map.size() == 1);
}

TEST_CASE(
    "id map: in the order of the ids, whatever order they came in; each may be erased as it is visited") {
    IdMap<int> map;
    for (std::uint64_t id : {70, 3, 1000, 512, 1, 64, 8}) map[id] = static_cast<int>(id);
    std::vector<std::uint64_t> seen;
    map.for_each_in_order([&](std::uint64_t id, int value) {
        CHECK(value == static_cast<int>(id));
        seen.push_back(id);
        map.erase(id);
    });
    CHECK(seen == std::vector<std::uint64_t>{1, 3, 8, 64, 70, 512, 1000});
    CHECK(map.empty());
    map.for_each_in_order([](std::uint64_t, int) { FAIL("there is none"); });
}
