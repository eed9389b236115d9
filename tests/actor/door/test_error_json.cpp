#include <doctest/doctest.h>
#include <magnetar/actor/door/error_json.hpp>
#include <magnetar/magnetar.hpp>

using namespace magnetar;

namespace {

template <class E>
Json written(const E& error) {
    return detail::to_error_json(std::make_exception_ptr(error));
}
template <class E>
bool comes_back(const E& error) {
    try {
        std::rethrow_exception(detail::from_error_json(written(error)));
    } catch (const E& same) {
        return std::string_view(same.what()) == error.what();
    } catch (...) {
        return false;
    }
}

}  // namespace

TEST_CASE("error json: the framework's exceptions come back as they were") {
    CHECK(comes_back(ActorNotFound("text")));
    CHECK(comes_back(ActorLost("text")));
    CHECK(comes_back(ActorStopping("text")));
    CHECK(comes_back(CommandNotFound("text")));
    CHECK(comes_back(MailboxFull("text")));
    CHECK(comes_back(TimeoutError("text")));
    CHECK(comes_back(DeadlockError("text")));
    CHECK(comes_back(PermissionDenied("text")));
    CHECK(comes_back(SpawnError("text")));
    CHECK(comes_back(CodecError("$[0]", "text")));
    CHECK(comes_back(JsonError("text")));
    CHECK(comes_back(RemoteError("mine::Error", "text", "actor")));
}

TEST_CASE("error json: a command's exception is that, whatever its name") {
    RemoteError named("ActorLost", "text", "actor");
    CHECK(comes_back(named));
    Json json = written(named);
    CHECK(json.dump() == R"({"type":"ActorLost","message":"text","actor":"actor"})");
    CHECK(written(std::out_of_range("far")).dump() == R"({"type":"std::out_of_range","message":"far"})");
    CHECK(detail::to_error_json(std::make_exception_ptr(7)).dump() == R"({"type":"int","message":""})");
}

TEST_CASE("error json: what another program writes there does not matter much") {
    for (auto text : {"{}", "7", "null", R"({"type":7,"message":[]})", R"({"type":"new","more":1})"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(std::rethrow_exception(detail::from_error_json(Json::parse(text))), RemoteError);
    }
}
