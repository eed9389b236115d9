#pragma once
#include <memory>
#include <vector>

#include <magnetar/config.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// One object of each type, made on first use: what a layer above shares between everything that runs on one loop.
class LoopLocals {
public:
    template <class T, class... A>
    T& get(A&... arguments) {
        for (auto& entry : entries_)
            if (entry.key == &key<T>) return *static_cast<T*>(entry.object.get());
        auto object = std::make_unique<T>(arguments...);
        T& made = *object;
        entries_.push_back({&key<T>, {nullptr, [](void* o) { delete static_cast<T*>(o); }}});
        entries_.back().object.reset(object.release());
        return made;
    }

private:
    template <class T>
    static inline char key = 0;
    struct Entry {
        const void* key;
        std::unique_ptr<void, void (*)(void*)> object;
    };
    std::vector<Entry> entries_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail
