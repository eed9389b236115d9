// What parses is written so that it parses to an equal value, and simdjson's other parser accepts exactly the same texts.
#include <magnetar/wire/json.hpp>

#include <cstdlib>

using namespace magnetar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    static simdjson::dom::parser peer;
    bool valid = peer.parse(text.data(), text.size()).error() == simdjson::SUCCESS;
    Json json;
    try {
        json = Json::parse(text);
    } catch (const JsonError& error) {
        // Valid JSON is refused only for what this reader forbids beyond the grammar.
        std::string_view what = error.what();
        bool forbidden = what.find("is there twice") != what.npos || what.find("depth") != what.npos;
        if (valid && !forbidden) std::abort();
        return 0;
    }
    if (!valid) std::abort();
    for (int indent : {0, 2})
        if (Json::parse(json.dump(indent)) != json) std::abort();
    if (Json::parse(json.dump()).dump() != json.dump()) std::abort();
    return 0;
}
