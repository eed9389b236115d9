// expect: the function that describes an operation must capture only numbers, pointers and references
#include <magnetar/loop/operation.hpp>

#include <string>

using namespace magnetar;

Task<int> write_all(int fd, std::string text) {
    co_return co_await submit("write", [fd, text](io_uring_sqe* sqe) {
        io_uring_prep_write(sqe, fd, text.data(), static_cast<unsigned>(text.size()), 0);
    });
}
