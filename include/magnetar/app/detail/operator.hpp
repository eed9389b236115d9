#pragma once
#include <string>
#include <vector>

#include <magnetar/app/detail/setting_table.hpp>
#include <magnetar/config.hpp>
#include <magnetar/wire/json.hpp>

// What an operator reads and asks at a terminal.
namespace magnetar::inline MAGNETAR_MODE::detail {

// The words for operators: --info and the like.
const std::vector<SettingTable::Word>& operator_words();
// Whether one of them is there, so that the program is to ask another and not to run.
bool is_for_operators(const std::vector<SettingTable::Given>& words);
// Asks the program that listens at `control`, prints what it answers, and gives the exit code.
int run_operator(const std::string& program, const std::string& control,
                 const std::vector<SettingTable::Given>& words);
// The tree of actors with numbers, from what the program answers to `info`.
std::string info_text(const Json& info);
// The table that --top shows: rates from what it answered `seconds` before, if it was asked. `sort`: c by
// CPU, m by mailbox, k by memory, n as they are.
std::string top_text(const Json& info, const Json* before, double seconds, char sort);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/operator.ipp>
#endif
