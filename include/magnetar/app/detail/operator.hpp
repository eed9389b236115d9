#pragma once
#include <string>
#include <vector>

#include <magnetar/app/detail/setting_table.hpp>
#include <magnetar/config.hpp>

// What an operator reads and asks at a terminal.
namespace magnetar::inline MAGNETAR_MODE::detail {

// The words for operators: --info and the like.
const std::vector<SettingTable::Word>& operator_words();
// Whether one of them is there, so that the program is to ask another and not to run.
bool is_for_operators(const std::vector<SettingTable::Given>& words);
// Asks the program that listens at `control`, prints what it answers, and gives the exit code.
int run_operator(const std::string& program, const std::string& control,
                 const std::vector<SettingTable::Given>& words);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/operator.ipp>
#endif
