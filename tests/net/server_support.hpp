#pragma once
#include <magnetar/net/connection.hpp>
#include <magnetar/net/tcp_server.hpp>

#include "net_support.hpp"

namespace magnetar::test {

inline Task<> echo_back(Connection& client) {
    while (auto data = co_await client.read_some()) co_await client.write(data);
}
inline Task<std::string> ask(Stream& stream, std::string_view question) {
    co_await stream.write(question);
    co_return co_await stream.read_exactly(question.size());
}
inline Task<std::string> ask_line(Stream& stream, std::string_view question) {
    co_await stream.write(question);
    co_return co_await stream.read_until("\n");
}
inline Task<Stream> client_of(TcpServer& server) { return connect(server.address()); }
inline Task<> until_connections(TcpServer& server, std::uint64_t n) {
    return until([&server, n] { return server.info().connections == n; });
}

}  // namespace magnetar::test
