#pragma once
#include <utility>
#include <vector>

#include <magnetar/base/detail/owned.hpp>
#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// One object of each type, created on first use: state of an upper layer, shared by everything on one loop.
class LoopLocals {
public:
    template <class T, class... A>
    T& get(A&... arguments) {
        for (auto& entry : entries_)
            if (entry.key == &key<T>) return static_cast<Held<T>&>(*entry.object).value;
        auto held = make_owned<Held<T>>(arguments...);
        T& made = held->value;
        entries_.push_back({&key<T>, std::move(held)});
        return made;
    }

private:
    template <class T>
    static inline char key = 0;
    struct Object {
        virtual ~Object() = default;
    };
    template <class T>
    struct Held final : Object {
        template <class... A>
        explicit Held(A&... arguments) : value(arguments...) {}
        T value;
    };
    struct Entry {
        const void* key;
        Owned<Object> object;
    };
    std::vector<Entry> entries_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
