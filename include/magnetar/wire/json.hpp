#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <magnetar/base/detail/pool.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/detail/shape.hpp>
#include <magnetar/wire/error.hpp>

namespace magnetar::inline MAGNETAR_MODE {

class Writer;

namespace detail {
template <class T>
inline constexpr bool is_encodable = travels<T, true>();
struct JsonAccess;

/// Without <cmath>, which is slow to compile.
constexpr bool is_finite(double value) noexcept { return value - value == 0; }
}  // namespace detail

/// A JSON value (RFC 8259): null, a Boolean, a number, a string, an array or an object.
///
///     Json info{{"name", "pluto"}, {"size", 3}};        // an object; Json::array({1, 2, 3}) is an array
///     info["points"] = std::vector<Point>{{1, 2}};      // any type that wire/json_codec.hpp can convert
///     auto points = info["points"].get<std::vector<Point>>();
///     Json same = Json::parse(info.dump());
///
/// Integers keep all 64 bits; larger integers in a text become the nearest double, as in most parsers. A real
/// number is written so that reading it gives the same number. An object keeps the insertion order and finds
/// a member by linear search: intended for messages, not for databases.
class Json {
    // Heap storage of texts, arrays and objects: from the pool, because most live for one message.
    struct Text : std::string, Pooled {
        explicit Text(std::string text) noexcept : std::string(std::move(text)) {}
    };
    struct Items;
    struct Members;

public:
    enum class Kind : unsigned char { null, boolean, integer, unsigned_integer, real, text, array, object };
    using Member = std::pair<std::string, Json>;

    /// null
    Json() noexcept = default;
    Json(std::nullptr_t) noexcept {}

    template <std::same_as<bool> Bool>
    Json(Bool value) noexcept : kind_(Kind::boolean), boolean_(value) {}

    /// An integer; above the greatest int64 its kind is unsigned_integer.
    template <std::integral Integer>
        requires(!std::same_as<Integer, bool>)
    Json(Integer value) noexcept {
        bool large = value > 0 && static_cast<std::uint64_t>(value) > INT64_MAX;
        kind_ = large ? Kind::unsigned_integer : Kind::integer;
        unsigned_ = static_cast<std::uint64_t>(value);  // two's complement: also the value of integer_
    }

    /// Throws JsonError for NaN and the infinities, which JSON does not have.
    Json(double value) : kind_(Kind::real), real_(value) {
        if (!detail::is_finite(value)) throw JsonError("json: there is no NaN and no infinity in JSON");
    }
    Json(float value) : Json(static_cast<double>(value)) {}

    Json(std::string text) : kind_(Kind::text), text_(new Text(std::move(text))) {}
    Json(std::string_view text) : Json(std::string(text)) {}
    Json(const char* text) : Json(std::string(text)) {}

    /// An object with these members; if a key occurs twice, the last one applies.
    Json(std::initializer_list<Member> members);

    /// The JSON form of any value that the codec can encode: a struct, a vector, a map. Throws CodecError.
    /// Needs <magnetar/wire/json_codec.hpp>, as from() and get() do.
    template <class T>
        requires(std::is_class_v<T> && !std::same_as<T, Json> && detail::is_encodable<T>)
    Json(const T& value);

    Json(const Json& other);
    Json(Json&& other) noexcept { swap(other); }
    Json& operator=(Json other) noexcept {
        swap(other);
        return *this;
    }
    ~Json() {
        if (kind_ >= Kind::text || (is_null() && text_)) destroy();  // most destroyed values were moved from
    }

    /// An empty array, or an array of these items.
    static Json array(std::initializer_list<Json> items = {});

    /// An empty object, or an object with these members.
    static Json object(std::initializer_list<Member> members = {});

    /// The JSON form of a value: the same as the constructors, as a named function.
    template <class T>
    static Json from(const T& value);

    /// Parses a JSON text, which must be one value, valid UTF-8, nested at most `max_nesting` deep and
    /// without duplicate members in an object. Takes at most 64 times the text's size in memory. Throws
    /// JsonError with the reason; for an invalid number (for example one out of range for a double) also with
    /// the position of its first byte.
    static Json parse(std::string_view text);

    /// Writes the value as JSON text: on one line, or with `indent` spaces per level. Throws JsonError if a
    /// text is not UTF-8 or the nesting is too deep to be parsed again.
    std::string dump(int indent = 0) const;

    /// Appends the text to `out`.
    void dump_to(Writer& out, int indent = 0) const;

    /// The value as a T. Throws CodecError with the path if it is not exactly a T.
    template <class T>
    T get() const;

    Kind kind() const noexcept { return kind_; }
    bool is_null() const noexcept { return kind_ == Kind::null; }
    bool is_boolean() const noexcept { return kind_ == Kind::boolean; }
    bool is_integer() const noexcept { return kind_ == Kind::integer || kind_ == Kind::unsigned_integer; }
    bool is_number() const noexcept { return is_integer() || kind_ == Kind::real; }
    bool is_string() const noexcept { return kind_ == Kind::text; }
    bool is_array() const noexcept { return kind_ == Kind::array; }
    bool is_object() const noexcept { return kind_ == Kind::object; }

    /// Number of items or members; 0 for all other kinds.
    std::size_t size() const noexcept;
    bool empty() const noexcept { return size() == 0; }

    /// The text of a string. Throws JsonError for any other kind.
    const std::string& string() const;

    /// The member `key`, created as null if absent; null becomes an empty object. Throws JsonError for any
    /// other kind. References to members are valid until the next member is added. A member created this way
    /// stores its path: using it as an existing value throws an error with that path, which starts at the
    /// innermost object that existed.
    Json& operator[](std::string_view key);

    /// The member `key`. Throws JsonError if it is absent.
    const Json& operator[](std::string_view key) const { return at(key); }
    const Json& at(std::string_view key) const;
    Json& at(std::string_view key) { return const_cast<Json&>(std::as_const(*this).at(key)); }

    /// The member `key`, or nullptr if it is absent or this is not an object.
    const Json* find(std::string_view key) const noexcept;
    Json* find(std::string_view key) noexcept { return const_cast<Json*>(std::as_const(*this).find(key)); }
    bool contains(std::string_view key) const noexcept { return find(key) != nullptr; }

    /// Removes the member `key`; false if there is none.
    bool erase(std::string_view key);

    /// The item at `index`. Throws JsonError if the index is out of range, or if this is not an array.
    template <std::integral Index>
    const Json& operator[](Index index) const {
        return at(index);
    }
    template <std::integral Index>
    Json& operator[](Index index) {
        return at(index);
    }
    template <std::integral Index>
    const Json& at(Index index) const {
        return item(std::cmp_less(index, 0) ? SIZE_MAX : static_cast<std::size_t>(index));
    }
    template <std::integral Index>
    Json& at(Index index) {
        return const_cast<Json&>(std::as_const(*this).at(index));
    }

    /// Appends an item; null becomes an empty array. Throws JsonError for any other kind.
    void push_back(Json item);

    /// The items of an array, or the members of an object in their order, to iterate over. They throw
    /// JsonError for any other kind.
    std::span<const Json> items() const;
    std::span<Json> items();
    std::span<const Member> members() const;

    /// Numbers compare by value, whatever their kind; the order of members is ignored.
    friend bool operator==(const Json& a, const Json& b) { return a.equals(b); }

    void swap(Json& other) noexcept {
        std::swap(kind_, other.kind_);
        std::swap(unsigned_, other.unsigned_);
    }

private:
    friend struct detail::JsonAccess;

    const Json& item(std::size_t index) const;
    bool equals(const Json& other) const;
    void become(Kind kind);
    void destroy() noexcept;
    void expect(Kind kind) const {
        if (kind_ != kind) [[unlikely]]
            refuse(kind);
    }
    [[noreturn, gnu::cold]] void refuse(Kind expected) const;
    const std::string* missing() const noexcept { return is_null() ? text_ : nullptr; }

    Kind kind_ = Kind::null;
    union {
        bool boolean_;
        std::int64_t integer_;
        std::uint64_t unsigned_ = 0;
        double real_;
        Text* text_;  // of null: the path at which operator[] found no member, or nullptr
        Items* items_;
        Members* members_;
    };
};

static_assert(sizeof(Json) == 16);

struct Json::Items : std::vector<Json>, Pooled {};
struct Json::Members : std::vector<Member>, Pooled {};

namespace detail {

/// Access for the parser and the codec only: to the representation, and to appending members without a
/// search.
struct JsonAccess {
    static bool boolean(const Json& json) noexcept { return json.boolean_; }
    static std::int64_t integer(const Json& json) noexcept { return json.integer_; }
    static std::uint64_t unsigned_integer(const Json& json) noexcept { return json.unsigned_; }
    static double real(const Json& json) noexcept { return json.real_; }
    static const std::string* missing(const Json& json) noexcept { return json.missing(); }
    static std::string& text(const Json& json) noexcept { return *json.text_; }
    static std::vector<Json>& items(const Json& json) noexcept { return *json.items_; }
    static std::vector<Json::Member>& members(const Json& json) noexcept { return *json.members_; }
    // Not inline, so that the functions of the vectors are compiled once.
    static Json array(std::size_t capacity);
    static Json object(std::size_t capacity);
    static void append(Json& array, Json item);
    static void append(Json& object, std::string_view name, Json value);
};

/// The kind as text, for errors: "an integer".
const char* kind_name(Json::Kind kind) noexcept;

/// Appends a step to a path: `.x`, or `["a b"]`.
void append_step(std::string& path, std::string_view key);

/// A key that occurs twice in the object, or nullptr; never quadratic, because the input may be hostile.
const std::string* find_duplicate(std::span<const Json::Member> members);

}  // namespace detail

}  // namespace magnetar::inline MAGNETAR_MODE

#if MAGNETAR_HEADER_ONLY
#include <magnetar/wire/impl/json.ipp>
#include <magnetar/wire/impl/json_parse.ipp>
#endif
