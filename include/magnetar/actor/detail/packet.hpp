#pragma once
#include <exception>
#include <map>
#include <string>

#include <magnetar/actor/command.hpp>
#include <magnetar/actor/detail/refusal.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

// What a binary frame on a link is.
enum class Packet : std::uint8_t { hello, request, tell, answer, error, credit, peer, termed_request, gone };

inline constexpr std::uint32_t link_magic = 0x6d61676e;  // "magn"
inline constexpr std::uint16_t link_protocol = 1;

struct Hello {
    std::uint32_t magic = link_magic;
    std::uint16_t oldest_protocol = link_protocol, newest_protocol = link_protocol;
    std::uint32_t host = 0;
    std::map<std::string, std::string> features;  // unknown ones are ignored
};

// Stands for the table of commands: hosts that speak of them by their numbers must have the same. A plugin that one of
// them has loaded alone makes it another.
inline const std::string& command_table_mark() {
    static const std::string mark = [] {
        std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
        auto add = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
        for (const CommandEntry* entry : command_table()) {
            for (char c : entry->name) add(static_cast<unsigned char>(c));
            add(entry->state ? 1 : 0);
            add(entry->system ? 1 : 0);
        }
        return fmt::format("{:016x}.{}", hash, command_table().size());
    }();
    return mark;
}

// An exception on the wire. What the framework throws is the same again at the other end; the rest is
// RemoteError.
enum class ErrorKind : std::uint8_t {
    remote,
    not_found,
    lost,
    stopping,
    full,
    no_command,
    timeout,
    codec,
    deadlock,
    spawn,
    cancelled,
    exit,  // an ActorExit
};
struct ErrorOnWire {
    ErrorKind kind = ErrorKind::remote;
    std::string type, what, actor;
    int code = 0;  // of an ActorExit
    // It did not fail by itself: the end of its actor came before its own.
    bool cut_off() const noexcept { return kind == ErrorKind::cancelled; }
    // The code with which an actor ends that ends by this error.
    int exit_code() const noexcept { return kind == ErrorKind::exit ? code : 1; }
    // For logs and for the errors that name it.
    std::string to_string() const { return fmt::format("{}: {}", type, what); }
};

// No text of an error takes more: what is too large for a link would end it.
inline constexpr std::size_t longest_text = 64 << 10;
inline void shorten(std::string& text) {
    if (text.size() <= longest_text) return;
    std::size_t size = longest_text;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;  // whole characters
    text.resize(size);
    text += "...";
}

inline ErrorOnWire to_wire(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const RemoteError& e) {
        return {ErrorKind::remote, e.type(), e.what(), e.actor()};
    } catch (const ActorNotFound& e) {
        return {ErrorKind::not_found, {}, e.what(), {}};
    } catch (const ActorLost& e) {
        return {ErrorKind::lost, {}, e.what(), {}};
    } catch (const ActorStopping& e) {
        return {ErrorKind::stopping, {}, e.what(), {}};
    } catch (const MailboxFull& e) {
        return {ErrorKind::full, {}, e.what(), {}};
    } catch (const CommandNotFound& e) {
        return {ErrorKind::no_command, {}, e.what(), {}};
    } catch (const TimeoutError& e) {
        return {ErrorKind::timeout, {}, e.what(), {}};
    } catch (const DeadlockError& e) {
        return {ErrorKind::deadlock, {}, e.what(), {}};
    } catch (const SpawnError& e) {
        return {ErrorKind::spawn, "magnetar::SpawnError", e.what(), {}};
    } catch (const CodecError& e) {
        return {ErrorKind::codec, e.path(), e.reason(), {}};
    } catch (const Cancelled&) {
        return {ErrorKind::cancelled, "magnetar::Cancelled", "cancelled", {}};
    } catch (const ActorExit& e) {
        return {ErrorKind::exit,
                "magnetar::ActorExit",
                fmt::format("it ended itself with code {}", e.code),
                {},
                e.code};
    } catch (...) {
        auto text = describe(error);
        return {ErrorKind::remote, std::move(text.type), std::move(text.what), {}};
    }
}
inline std::exception_ptr from_wire(ErrorOnWire e) {
    switch (e.kind) {
        case ErrorKind::not_found:
            return std::make_exception_ptr(ActorNotFound(e.what));
        case ErrorKind::lost:
            return std::make_exception_ptr(ActorLost(e.what));
        case ErrorKind::stopping:
            return std::make_exception_ptr(ActorStopping(e.what));
        case ErrorKind::full:
            return std::make_exception_ptr(MailboxFull(e.what));
        case ErrorKind::no_command:
            return std::make_exception_ptr(CommandNotFound(e.what));
        case ErrorKind::timeout:
            return std::make_exception_ptr(TimeoutError(e.what));
        case ErrorKind::deadlock:
            return std::make_exception_ptr(DeadlockError(e.what));
        case ErrorKind::codec:
            return std::make_exception_ptr(CodecError(e.type, e.what));
        case ErrorKind::spawn:
            return std::make_exception_ptr(SpawnError(e.what));
        case ErrorKind::remote:
        case ErrorKind::cancelled:
        case ErrorKind::exit:
            break;
    }
    return std::make_exception_ptr(RemoteError(std::move(e.type), e.what, std::move(e.actor)));
}

}  // namespace magnetar::inline MAGNETAR_MODE::detail
