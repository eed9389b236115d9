#pragma once
#include <deque>
#include <string>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The service manager that NOTIFY_SOCKET names, or none. On the loop's thread; never waits. Messages that do
// not fit into the socket, because the manager does not read, are kept, in order, until they do. See
// sd_notify(3).
class ServiceManager {
public:
    ServiceManager();
    ServiceManager(const ServiceManager&) = delete;

    // Sends a state, such as READY=1. The ServiceManager must outlive its loop.
    void tell(std::string state);
    // The same for a state that is sent periodically: it is dropped where it would have to wait.
    void tell_again(const std::string& state);
    // Called when the loop has ended: sends the kept messages, for at most 200 ms.
    void finish() noexcept;

private:
    enum class Sent { yes, full, gone };
    Sent send(const std::string& state) noexcept;
    static Task<> send_kept(ServiceManager& self);

    std::string path_;  // begins with a zero byte in the abstract namespace
    UniqueFd fd_;
    std::deque<std::string> kept_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/service_manager.ipp>
#endif
