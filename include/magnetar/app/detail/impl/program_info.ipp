#pragma once
#include <magnetar/app/detail/program_info.hpp>

#include <algorithm>

#include <magnetar/app/detail/json_path.hpp>
#include <magnetar/app/detail/service.hpp>
#include <magnetar/base/log.hpp>
#include <magnetar/coro/when_all.hpp>
#include <magnetar/loop/timer.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL Task<Json> info_of(ActorProxy<> actor) {
    Json answer = Json::object();
    std::string trouble;
    try {
        Task<Json> asking = actor.info();
        answer = co_await with_timeout(std::chrono::seconds(1), std::move(asking));
    } catch (const std::exception& error) {
        trouble = error.what();
    }
    if (!trouble.empty()) {
        answer["actor"] = Json{{"name", actor.name()}, {"id", actor.id().to_string()}};
        answer["error"] = trouble;
    }
    co_return answer;
}
namespace program_infos {

// The monitor and all workers are queried concurrently: it takes a second at most, however many are silent.
inline Task<Json> application_info(ApplicationBase& app) {
    Json about = Json::object();
    about["name"] = app.name();
    about["wanted"] = std::max(app.config->workers.workers, 1u);
    Json listens = Json::array();
    for (auto& socket : *app.sockets) listens.push_back(Json(socket.address().to_string()));
    if (app.config->serves != Serves::nothing) about["listens"] = std::move(listens);
    // Present even while no worker runs yet.
    bool has_connections = app.config->serves == Serves::connections;
    if (has_connections) about["connections"] = 0;
    if (!app.monitor) co_return about;
    std::vector<Task<Json>> asking;
    asking.push_back(info_of(app.monitor));
    for (auto& worker : app.workers()) asking.push_back(info_of(worker));
    auto answers = co_await when_all(std::move(asking));
    about["monitor"] = std::move(answers.front());
    Json workers = Json::array();
    for (std::size_t i = 1; i < answers.size(); ++i) workers.push_back(std::move(answers[i]));
    if (has_connections) {
        double open = 0;
        for (auto& worker : workers.items()) open += servers_sum(worker, "connections");
        about["connections"] = static_cast<std::int64_t>(open);
    }
    about["workers"] = std::move(workers);
    co_return about;
}

}  // namespace program_infos

MAGNETAR_DECL Task<Json> program_info(Service& self, Actor<>& arbiter) {
    Json all = Json::object();
    Json& program = all["program"] = Json::object();
    program["name"] = self.text.name;
    program["version"] = self.text.version;
    program["state"] = std::string(self.state);
    program["control"] = self.control;
    self.beat();
    program["log_levels"] = log_levels();
    program["ready"] = self.vitals.ready.load();
    if (self.health) program["metrics"] = self.metrics_address;
    all["arbiter"] = co_await info_of(arbiter.proxy());
    all["arbiter"]["actor"]["name"] = "arbiter";
    std::vector<Task<Json>> asking;
    for (auto* app : self.applications) asking.push_back(program_infos::application_info(*app));
    Json list = Json::array();
    for (auto& about : co_await when_all(std::move(asking))) list.push_back(std::move(about));
    all["applications"] = std::move(list);
    co_return all;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
