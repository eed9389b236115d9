#include <doctest/doctest.h>

#include <magnetar/app/application.hpp>
#include <magnetar/app/detail/worker_limits.hpp>

#include <set>
#include <string>

using namespace magnetar;
using namespace magnetar::detail;

namespace worker_limit_tests {

AppConfig config_of() { return AppConfig(user_settings_type<NoSettings>, Serves::connections); }

Json worker(double accepted, double age, double memory, bool is_process) {
    Json json = Json::object();
    json["actor"] = Json::object();
    json["actor"]["age_seconds"] = age;
    json["actor"]["is_process"] = is_process;
    json["process"] = Json::object();
    json["process"]["memory_bytes"] = memory;
    json["servers"] = Json::object();
    for (auto name : {"one", "other"}) {
        json["servers"][name] = Json::object();
        json["servers"][name]["accepted"] = accepted / 2;
    }
    return json;
}

// At how many connections it is replaced.
int limit_of(const AppConfig& config, std::uint64_t id) {
    int accepted = 0;
    while (over_limit(config, worker(accepted, 0, 0, true), ActorId{id}).empty()) ++accepted;
    return accepted;
}

}  // namespace worker_limit_tests
using namespace worker_limit_tests;

TEST_CASE("worker limits: none, and its age") {
    AppConfig config = config_of();
    CHECK_FALSE(has_limits(config));
    CHECK(over_limit(config, worker(1e9, 1e9, 1e12, true), ActorId{1}).empty());
    config.workers.max_lifetime = std::chrono::seconds(10);
    CHECK(has_limits(config));
    CHECK(over_limit(config, worker(0, 9.9, 0, true), ActorId{1}).empty());
    CHECK(over_limit(config, worker(0, 10, 0, true), ActorId{1}) == "it is 10 s old");
}

TEST_CASE("worker limits: the memory of a process, and not that of all threads") {
    AppConfig config = config_of();
    config.workers.max_memory.bytes = 64 << 20;
    CHECK(has_limits(config));
    CHECK(over_limit(config, worker(0, 0, (64 << 20) - 1, true), ActorId{1}).empty());
    CHECK(over_limit(config, worker(0, 0, 64 << 20, true), ActorId{1}) == "it has 64.0 MiB of memory");
    CHECK(over_limit(config, worker(0, 0, 64 << 20, false), ActorId{1}).empty());
}

TEST_CASE("worker limits: the connections of all its servers") {
    AppConfig config = config_of();
    config.serving.max_requests = 50;
    config.serving.max_requests_jitter = 0;
    CHECK(has_limits(config));
    CHECK(over_limit(config, worker(50, 0, 0, true), ActorId{1}) == "it has accepted 50 connections");
    CHECK(limit_of(config, 1) == 50);
    CHECK(limit_of(config, 2) == 50);
    CHECK(over_limit(config, Json::object(), ActorId{1}).empty());  // one that did not answer
    config.serving.max_requests = 1;
    CHECK(over_limit(config, worker(1, 0, 0, true), ActorId{1}) == "it has accepted 1 connection");
}

TEST_CASE("worker limits: jitter spreads max_requests, and a worker keeps its own") {
    AppConfig config = config_of();
    config.serving.max_requests = 100;
    config.serving.max_requests_jitter = 20;
    std::set<int> limits;
    for (std::uint64_t id = 1; id <= 200; ++id) {
        int limit = limit_of(config, id);
        CHECK((limit >= 80 && limit <= 120));
        CHECK(limit == limit_of(config, id));
        limits.insert(limit);
    }
    CHECK(limits.size() > 30);
}
