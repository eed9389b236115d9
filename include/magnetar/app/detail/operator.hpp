#pragma once
#include <string>
#include <vector>

#include <magnetar/app/detail/setting_table.hpp>
#include <magnetar/config.hpp>

// The operator's commands on the command line.
namespace magnetar::inline MAGNETAR_MODE::detail {

// The words for operators: --info and the like.
const std::vector<SettingTable::Word>& operator_words();
// Whether one of them is given: this process then queries a running program instead of running.
bool is_for_operators(const std::vector<SettingTable::Given>& words);
// Sends the requests to the program that listens at `control`, prints its answers, and returns the exit code.
int run_operator(const std::string& program, const std::string& control,
                 const std::vector<SettingTable::Given>& words);

}  // namespace magnetar::inline MAGNETAR_MODE::detail

#if MAGNETAR_HEADER_ONLY
#include <magnetar/app/detail/impl/operator.ipp>
#endif
