// As little as proves that a build has found magnetar and all that it stands on, in the mode that it asked
// for: magnetar's JSON needs simdjson and fmt, and a ring is liburing's. Whether the kernel grants the ring
// is another matter.
#include <fmt/core.h>
#include <liburing.h>

#include <magnetar/wire/json.hpp>
#include <magnetar/wire/json_codec.hpp>

#if defined(MAGNETAR_SEPARATE_COMPILATION) != defined(EXPECT_COMPILED)
#error "compiled in the other mode than the one that was asked for"
#endif

int main() {
    io_uring ring;
    if (io_uring_queue_init(4, &ring, 0) == 0) io_uring_queue_exit(&ring);
    auto json = magnetar::Json::parse(R"({"answer": 42})");
    fmt::print("{}\n", json["answer"].get<int>());
}
