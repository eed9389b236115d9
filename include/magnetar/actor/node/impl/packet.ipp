#pragma once
#include <magnetar/actor/node/packet.hpp>

#include <fmt/core.h>

#include <link.h>

#include <cstddef>
#include <cstring>
#include <utility>

#include <magnetar/actor/core/command_registry.hpp>
#include <magnetar/actor/core/reject.hpp>
#include <magnetar/actor/errors.hpp>
#include <magnetar/base/errors.hpp>
#include <magnetar/wire/codec.hpp>
#include <magnetar/wire/error.hpp>
#include <magnetar/wire/websocket/frame.hpp>

namespace magnetar::inline MAGNETAR_MODE::detail {

MAGNETAR_DECL const std::string& build_id() {
    static const std::string id = [] {
        std::string found;
        auto look = [](dl_phdr_info* object, std::size_t, void* to) {
            for (int i = 0; i < object->dlpi_phnum; ++i) {
                const auto& part = object->dlpi_phdr[i];
                if (part.p_type != PT_NOTE) continue;
                auto* at = reinterpret_cast<const char*>(object->dlpi_addr + part.p_vaddr);
                for (auto* end = at + part.p_memsz; end - at >= static_cast<long>(sizeof(ElfW(Nhdr)));) {
                    ElfW(Nhdr) note;
                    std::memcpy(&note, at, sizeof note);
                    const char* name = at + sizeof note;
                    const char* data = name + (note.n_namesz + 3) / 4 * 4;
                    at = data + (note.n_descsz + 3) / 4 * 4;
                    if (note.n_type != NT_GNU_BUILD_ID || at > end) continue;
                    for (std::size_t j = 0; j < note.n_descsz; ++j)
                        *static_cast<std::string*>(to) +=
                            fmt::format("{:02x}", static_cast<unsigned char>(data[j]));
                }
            }
            return 1;  // the first is the program; libraries are no concern
        };
        ::dl_iterate_phdr(look, &found);
        return found;
    }();
    return id;
}

MAGNETAR_DECL const std::string& command_table_mark() {
    static const std::string mark = [] {
        std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
        auto add = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
        for (const CommandEntry* entry : command_table()) {
            for (char c : entry->name) add(static_cast<unsigned char>(c));
            add(entry->state ? 1 : 0);
            add(entry->system ? 1 : 0);
            add(static_cast<unsigned char>(entry->reach));
        }
        return fmt::format("{:016x}.{}", hash, command_table().size());
    }();
    return mark;
}

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
