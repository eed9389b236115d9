#pragma once
#include <deque>
#include <string>

#include <magnetar/base/unique_fd.hpp>
#include <magnetar/config.hpp>
#include <magnetar/coro/task.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// The service manager that NOTIFY_SOCKET names, or none. On the loop's thread; never waits. What does not fit
// into the socket of a manager that reads nothing is kept until it does, in order. See sd_notify(3).
class ServiceManager {
public:
    ServiceManager();
    ServiceManager(const ServiceManager&) = delete;

    // As READY=1. It must stay until its loop has ended.
    void tell(std::string state);
    // The same for what is said again anyway: it is dropped where it would have to wait.
    void tell_again(const std::string& state);
    // When the loop has ended: what is left is given a moment, 200 ms at most.
    void finish() noexcept;

private:
    enum class Sent { yes, full, gone };
    Sent send(const std::string& state) noexcept;
    static Task<> send_kept(ServiceManager& self);

    std::string path_;  // with a null byte at its beginning for one of the abstract namespace
    UniqueFd fd_;
    std::deque<std::string> kept_;
};

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/service_manager.ipp>
#endif
