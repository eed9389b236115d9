#pragma once
#include <magnetar/actor/node/error_on_wire.hpp>

#include <fmt/core.h>

#include <cstddef>
#include <utility>

#include <magnetar/actor/core/reject.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/wire/error.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL std::string ErrorOnWire::to_string() const { return fmt::format("{}: {}", type, what); }

MAGNETAR_DECL void shorten(std::string& text) {
    if (text.size() <= longest_text) return;
    std::size_t size = longest_text;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;  // whole characters
    text.resize(size);
    text += "...";
}

MAGNETAR_DECL ErrorOnWire to_wire(const std::exception_ptr& error) {
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

MAGNETAR_DECL std::exception_ptr from_wire(ErrorOnWire e) {
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
