#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <csignal>

// Tests see the same signals whoever starts them: nohup ignores SIGHUP, a shell's `&` SIGINT and SIGQUIT.
int main(int argc, char** argv) {
    for (int signal = 1; signal < NSIG; ++signal) {
        struct sigaction action{};
        if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_IGN) continue;
        std::signal(signal, SIG_DFL);
    }
    return doctest::Context(argc, argv).run();
}
