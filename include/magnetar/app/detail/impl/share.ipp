#pragma once
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <stdexcept>

#include <magnetar/actor/actor.hpp>
#include <magnetar/actor/core/actor_core.hpp>
#include <magnetar/app/detail/share.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

namespace shares {

struct OnWire {
    std::string application;
    std::uint64_t generation;
    std::vector<std::vector<std::string>> values;
    std::vector<std::string> origins;
    std::vector<ListeningSocket> sockets;
    std::vector<std::byte> hooks;
    ActorProxy<> monitor;
    std::vector<std::string> applications;
    std::vector<std::string> log_level;
    std::uint8_t log_format;
    std::string log_file;
};
struct All {
    std::mutex mutex;
    std::map<std::string, AppRecord, std::less<>> records;
    std::shared_ptr<const Share> mine;     // in a worker process: the one it was made with
    std::vector<std::string> other_names;  // in a worker process: those in `mine`
};
inline All& all() {
    static All& everything = *new All;  // never destroyed: threads may still run at exit
    return everything;
}

}  // namespace shares

MAGNETAR_DECL std::vector<ListeningSocket> copy_sockets(const Sockets& sockets) {
    std::lock_guard lock(shares::all().mutex);
    return *sockets;
}
MAGNETAR_DECL void close_sockets(const Sockets& sockets) noexcept {
    std::lock_guard lock(shares::all().mutex);
    sockets->clear();
}

MAGNETAR_DECL void publish_share(std::shared_ptr<const Share> share) {
    auto& all = shares::all();
    std::lock_guard lock(all.mutex);
    AppRecord& record = all.records[share->application];
    record.name = share->application;
    record.running = true;
    record.shares[share->generation] = std::move(share);
}
MAGNETAR_DECL std::shared_ptr<const Share> newest_share(std::string_view application) {
    auto& all = shares::all();
    std::lock_guard lock(all.mutex);
    auto found = all.records.find(application);
    if (found == all.records.end() || found->second.shares.empty()) return nullptr;
    return found->second.shares.rbegin()->second;
}
MAGNETAR_DECL std::shared_ptr<const Share> share_of(std::string_view application, std::uint64_t generation) {
    auto& all = shares::all();
    std::lock_guard lock(all.mutex);
    auto found = all.records.find(application);
    if (found == all.records.end()) return nullptr;
    auto share = found->second.shares.find(generation);
    return share == found->second.shares.end() ? nullptr : share->second;
}
MAGNETAR_DECL void forget_application(std::string_view application) {
    auto& all = shares::all();
    std::lock_guard lock(all.mutex);
    if (auto found = all.records.find(application); found != all.records.end()) found->second.running = false;
}
MAGNETAR_DECL std::vector<std::string> known_applications() {
    auto& all = shares::all();
    std::lock_guard lock(all.mutex);
    std::vector<std::string> names = all.other_names;
    for (auto& [name, record] : all.records)
        if (record.running && std::find(names.begin(), names.end(), name) == names.end())
            names.push_back(name);
    return names;
}
MAGNETAR_DECL void add_share_params(std::string_view monitor, Json& params) {
    if (auto share = newest_share(monitor)) {
        Json& mine = params["application"] = Json::object();
        mine["name"] = share->application;
        mine["generation"] = share->generation;
        if (share->hooks.on_params.plain) share->hooks.on_params.plain(*get_actor(), params);
    }
}

MAGNETAR_DECL const Share& current_share(const void* settings_tag) {
    auto fits = [settings_tag](const std::shared_ptr<const Share>& share) {
        return share && (!settings_tag || share->config->type->tag == settings_tag);
    };
    // A cache: a worker keeps its share as long as it lives, and ids are never reused.
    static constinit thread_local struct {
        std::uint64_t actor;
        const void* tag;
        const Share* share;
    } last{};
    Actor<>* asker = get_actor();
    if (asker && last.actor == asker->id().value && last.tag == settings_tag) return *last.share;
    // Published shares stay, so that references to them remain valid.
    for (Actor<>* actor = asker; actor; actor = core_of(*actor).parent()) {
        std::shared_ptr<const Share> share;
        auto* extras = core_of(*actor).extras_if();
        const Json* given = extras ? extras->params.find("application") : nullptr;
        const Json* name = given ? given->find("name") : nullptr;
        const Json* generation = given ? given->find("generation") : nullptr;
        if (name && generation && name->is_string() && generation->is_integer())
            share = share_of(name->string(), generation->get<std::uint64_t>());
        else if (!actor->name().empty()) share = newest_share(actor->name());
        if (!share) continue;
        if (fits(share)) {
            if (generation) last = {asker->id().value, settings_tag, share.get()};
            return *share;
        }
        throw std::logic_error(
            fmt::format("settings: the application '{}' has settings of another type", share->application));
    }
    auto& all = shares::all();
    std::lock_guard lock(all.mutex);
    if (fits(all.mine)) return *all.mine;
    const Share* only = nullptr;
    for (auto& [name, record] : all.records) {
        if (record.shares.empty() || !fits(record.shares.rbegin()->second)) continue;
        if (only)
            throw std::logic_error(
                "settings: more than one application has settings of this type, and the actor that "
                "asks belongs to none of them");
        only = record.shares.rbegin()->second.get();
    }
    if (!only) throw std::logic_error("settings: no application with settings of this type runs here");
    return *only;
}

MAGNETAR_DECL void configure_share_log(const Share& share) {
    LogOptions options = present_log_options();  // with the sink that main() may have set
    options.levels.clear();
    for (auto& levels : share.log_level) options.levels += (options.levels.empty() ? "" : ",") + levels;
    options.format = share.log_format;
    options.file = share.log_file;
    configure_log(options);
}
MAGNETAR_DECL std::string share_to_wire(const Share& share) {
    shares::OnWire on_wire{share.application,    share.generation,
                           share.config->pack(), share.config->origins,
                           *share.sockets,       {},
                           share.monitor,        share.applications,
                           share.log_level,      static_cast<std::uint8_t>(share.log_format),
                           share.log_file};
    on_wire.hooks.resize(sizeof share.hooks);
    std::memcpy(on_wire.hooks.data(), &share.hooks, sizeof share.hooks);
    Writer out;
    encode(out, on_wire);
    return std::string(out.text());
}
MAGNETAR_DECL std::shared_ptr<const Share> share_from_wire(const std::string& bytes,
                                                           const UserSettingsType& type, Serves serves) {
    auto on_wire = decode<shares::OnWire>(std::as_bytes(std::span(bytes)));
    auto share = std::make_shared<Share>();
    share->application = std::move(on_wire.application);
    share->generation = on_wire.generation;
    auto config = std::make_shared<AppConfig>(type, serves);
    config->unpack(on_wire.values);
    config->origins = std::move(on_wire.origins);
    share->config = std::move(config);
    share->sockets = std::make_shared<Sockets::element_type>(std::move(on_wire.sockets));
    if (on_wire.hooks.size() != sizeof share->hooks) throw CodecError("hooks", "of another size");
    std::memcpy(static_cast<void*>(&share->hooks), on_wire.hooks.data(), sizeof share->hooks);
    share->monitor = std::move(on_wire.monitor);
    share->applications = std::move(on_wire.applications);
    share->log_level = std::move(on_wire.log_level);
    share->log_format = static_cast<LogFormat>(on_wire.log_format);
    share->log_file = std::move(on_wire.log_file);
    configure_share_log(*share);
    publish_share(share);
    auto& all = shares::all();
    std::lock_guard lock(all.mutex);
    all.mine = share;
    all.other_names = share->applications;
    return share;
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
