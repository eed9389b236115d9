#include <magnetar/actor/supervision/group_table.hpp>

#include "../support.hpp"

using namespace magnetar;
using detail::Address;
using detail::GroupTable;

namespace {

Address member_at(std::uint64_t id, std::uint32_t host = 0) { return {{id}, detail::Location(host, 0, 0)}; }

}  // namespace

TEST_CASE("group table: by command and process; joining twice is joining once") {
    GroupTable table;
    table.join("room", 1, member_at(7));
    table.join("room", 1, member_at(7));
    table.join("room", 2, member_at(7));
    table.join("room", 1, member_at(8, 3));
    table.join("rooms", 1, member_at(9, 4));
    CHECK(table.members_here("room", 1).size() == 1);
    CHECK(table.members_here("room", 1)[0].id == ActorId{7});
    CHECK(table.members_here("room", 2).size() == 1);
    CHECK(table.members_here("room", 3).empty());
    CHECK(table.members_here("rooms", 1).empty());
    CHECK(table.other_nodes("room", 1) == std::vector<std::uint32_t>{3});
    CHECK(table.other_nodes("room", 2).empty());
    CHECK(table.other_nodes("nowhere", 1).empty());
    CHECK(table.members("room").size() == 2);
    CHECK(table.members("nowhere").empty());
    CHECK(table.sizes() == std::map<std::string, std::size_t>{{"room", 3}, {"rooms", 1}});
}

TEST_CASE("group table: who leaves, ends, or loses its process, is out, and empty groups are gone") {
    GroupTable table;
    for (std::uint64_t id = 1; id <= 40; ++id)
        for (std::uint32_t command : {1u, 2u})
            table.join(id % 2 ? "odd" : "even", command, member_at(id, static_cast<std::uint32_t>(id % 4)));
    CHECK(table.sizes() == std::map<std::string, std::size_t>{{"even", 40}, {"odd", 40}});
    table.leave("odd", 1, {1});
    table.leave("odd", 1, {1});
    table.leave("even", 1, {1});
    table.leave("nowhere", 1, {1});
    CHECK(table.sizes()["odd"] == 39);
    CHECK(table.members("odd").size() == 20);
    table.remove({1});
    table.remove({1});
    table.remove({100});
    CHECK(table.members("odd").size() == 19);
    table.remove_node(3);
    table.remove_node(3);
    CHECK(table.members("odd").size() == 9);
    CHECK(table.other_nodes("odd", 1) == std::vector<std::uint32_t>{1});
    table.remove_node(1);
    CHECK(table.sizes() == std::map<std::string, std::size_t>{{"even", 40}});
    table.remove_node(0);
    table.remove_node(2);
    CHECK(table.sizes().empty());
    table.join("odd", 1, member_at(1));
    CHECK(table.members_here("odd", 1).size() == 1);
}
