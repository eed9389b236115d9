// Each form of an await that some compiler gets wrong, tried with this one. Prints a line for each; the exit
// code is 1 when a form is wrong that `./dev lint` allows (tools/check_awaits.py knows those that it
// refuses).
#include <sys/wait.h>
#include <unistd.h>

#include <coroutine>
#include <cstdio>
#include <exception>
#include <initializer_list>
#include <string>
#include <tuple>
#include <utility>

namespace {

int awaited = 0;                       // how often something was
std::coroutine_handle<> waiting = {};  // what has suspended, to be resumed by the loop in main

template <class T>
struct Value {
    T value;
    explicit Value(T v) : value(std::move(v)) {}
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> h) { ++awaited, waiting = h; }
    T await_resume() { return std::move(value); }
};
// A coroutine that starts at once, whose result is kept outside.
int result = 0;
struct Coroutine {
    struct promise_type {
        Coroutine get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_value(int value) { result = value; }
        void unhandled_exception() { std::terminate(); }
    };
};
int alive = 0;
struct Counted {
    Counted() { ++alive; }
    Counted(const Counted&) { ++alive; }
    ~Counted() { --alive; }
};
struct Aggregate {
    Counted member;
    int number = 0;
};
struct Taking {
    explicit Taking(Aggregate) {}
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> h) { ++awaited, waiting = h; }
    int await_resume() { return 1; }
};
template <class F>
struct Calling {
    explicit Calling(F f) { f(); }
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> h) { ++awaited, waiting = h; }
    int await_resume() { return 1; }
};
template <class F>
Calling<F> calling(F f) {
    return Calling<F>(std::move(f));
}
Value<int> number(int n) { return Value<int>(n); }

Coroutine switch_of_await() {
    switch (co_await number(2)) {
        case 1:
            co_return 10;
        case 2:
            co_return 20 + co_await number(2);
        default:
            co_return 30;
    }
}
Coroutine conditional_in_return(bool take) { co_return take ? 1 + co_await number(1) : 7; }
Coroutine conditional_in_initialiser(bool take) {
    int n = take ? 1 + co_await number(1) : 7;
    co_return n;
}
Coroutine conditional_of_two(bool first) { co_return first ? co_await number(2) : co_await number(7); }
Coroutine and_in_condition(bool left) {
    if (left && co_await number(1)) co_return 2;
    co_return 7;
}
Coroutine and_in_return(bool left) { co_return left&& co_await number(1) ? 2 : 7; }
Coroutine and_in_initialiser(bool left) {
    bool both = left && co_await number(1);
    co_return both ? 2 : 7;
}
Coroutine or_in_return(bool left) { co_return left || co_await number(0) ? 2 : 7; }
Coroutine body_after_comparison() {
    int seen = 0;
    if (co_await number(2) == 2) seen = 5;
    if (co_await number(2) == 3) seen += 100;
    co_return seen;
}
Coroutine return_after_await() {
    if (co_await number(1)) co_return 2;
    co_return 7;
}
Coroutine return_after_comparison() {
    if (co_await number(2) == 2) co_return 2;
    co_return 7;
}
Coroutine and_before_assignment(bool left) {
    int seen = 7;
    if (left && co_await number(1)) seen = 2;
    co_return seen;
}
Coroutine await_before_and() {
    int seen = 7;
    if (co_await number(1) && awaited == 1) seen = 2;
    co_return seen;
}
Coroutine await_before_and_return() {
    if (co_await number(1) && awaited == 1) co_return 2;
    co_return 7;
}
Coroutine return_in_while() {
    while (co_await number(1)) co_return 2;
    co_return 7;
}
Coroutine continue_after_await() {
    int rounds = 0;
    for (int i = 0; i < 4; ++i) {
        if (co_await number(i % 2)) continue;
        ++rounds;
    }
    for (int i = 0; i < 4; ++i) {
        if (co_await number(i)) break;
        ++rounds;
    }
    co_return rounds;
}
Coroutine body_after_await() {
    int seen = 0;
    if (co_await number(2)) seen = 5;
    co_return seen;
}
Coroutine or_before_assignment(bool left) {
    int seen = 7;
    if (left || co_await number(0)) seen = 2;
    co_return seen;
}
Coroutine initialiser_of_two(bool first) {
    int n = first ? co_await number(2) : co_await number(7);
    co_return n;
}
Coroutine switch_with_variable() {
    int n = 30;
    switch (co_await number(2)) {
        case 1:
            n = 10;
            break;
        case 2:
            n = 20;
    }
    co_return n;
}
Coroutine body_after_negation() {
    int seen = 0;
    if (!co_await number(0)) seen = 5;
    co_return seen;
}
Coroutine body_after_initialiser() {
    int seen = 0;
    if (int n = co_await number(2); n == 2) seen = 5;
    co_return seen;
}
Coroutine while_condition() {
    int rounds = 0;
    while (co_await number(rounds < 3)) ++rounds;
    co_return rounds;
}
Coroutine for_condition() {
    int rounds = 0;
    for (int i = 0; co_await number(i < 3); i += co_await number(1)) ++rounds;
    co_return rounds;
}
Coroutine do_condition() {
    int rounds = 0;
    do ++rounds;
    while (co_await number(rounds < 3));
    co_return rounds;
}
Coroutine tuple_taken_apart() {
    auto [a, b] = co_await Value(std::tuple<int, std::string>(2, std::string(100, 'x')));
    co_return a + static_cast<int>(b.size());
}
Coroutine pair_taken_apart() {
    auto [a, b] = co_await Value(std::pair<std::string, int>(std::string(100, 'x'), 2));
    co_return b + static_cast<int>(a.size());
}
Coroutine range_of_a_list() {
    int sum = 0;
    for (int n : {1, 2, 3}) sum += co_await number(n);
    co_return sum;
}
Coroutine two_operands() { co_return co_await number(5) - co_await number(2); }
int difference(int a, int b, std::string text) { return a - b + static_cast<int>(text.size()); }
Coroutine two_arguments() {
    co_return difference(co_await number(5), co_await number(2), std::string(100, 'x'));
}
Coroutine catch_behind() {
    int seen = 0;
    try {
        if (co_await number(1)) throw 3;
    } catch (int n) {
        seen = n;
    }
    co_return seen + co_await number(1);
}
Coroutine aggregate_temporary() { co_return co_await Taking(Aggregate{.member = {}, .number = 3}); }
Coroutine aggregate_named() {
    Aggregate named{.member = {}, .number = 3};
    co_return co_await Taking(std::move(named));
}
Coroutine lambda_temporary() {
    Counted captured;
    co_return co_await calling([captured] { (void)captured; });
}
Coroutine string_temporary() {
    std::string text(100, 'x');
    co_return static_cast<int>((co_await Value<std::string>(text + "y")).size());
}

// What is wrong only with types of some kinds no lint can see: it is told to users.
enum class Lint { allows, refuses, told };
int tried = 0, wrong_ones = 0;

template <class F>
void attempt(const char* form, Lint lint, int expected, int awaits, F start) {
    ++tried;
    std::fflush(stdout);
    pid_t child = ::fork();  // some crash
    if (child == 0) {
        start();
        while (waiting) std::exchange(waiting, {}).resume();
        ::_exit(result != expected ? 1 : awaited != awaits ? 2 : alive != 0 ? 3 : 0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    const char* how[] = {"right", "gives another value", "awaits too much or too little",
                         "destroys too often or too seldom"};
    int code = WIFEXITED(status) && WEXITSTATUS(status) < 4 ? WEXITSTATUS(status) : -1;
    if (code != 0 && lint == Lint::allows) ++wrong_ones;
    std::printf("%-34s %s%s\n", form, code < 0 ? "crashes" : how[code],
                code == 0 || lint != Lint::allows ? "" : ", AND LINT ALLOWS IT");
}

}  // namespace

int main() {
    using enum Lint;
    attempt("if (co_await)", allows, 5, 1, [] { body_after_await(); });
    attempt("if (!co_await)", allows, 5, 1, [] { body_after_negation(); });
    attempt("if (co_await == value)", allows, 5, 2, [] { body_after_comparison(); });
    attempt("if (x = co_await; condition)", allows, 5, 1, [] { body_after_initialiser(); });
    attempt("if (co_await && a)", allows, 2, 1, [] { await_before_and(); });
    attempt("if (co_await) continue, break", allows, 3, 6, [] { continue_after_await(); });
    attempt("while (co_await)", allows, 3, 4, [] { while_condition(); });
    attempt("for (; co_await; co_await)", allows, 3, 7, [] { for_condition(); });
    attempt("do while (co_await)", allows, 3, 3, [] { do_condition(); });
    attempt("if (co_await), no variables", refuses, 2, 1, [] { return_after_await(); });
    attempt("if (co_await == value), no variables", refuses, 2, 1, [] { return_after_comparison(); });
    attempt("if (co_await && a), no variables", refuses, 2, 1, [] { await_before_and_return(); });
    attempt("if (a && co_await), no variables", refuses, 2, 1, [] { and_in_condition(true); });
    attempt("while (co_await), no variables", refuses, 2, 1, [] { return_in_while(); });
    attempt("switch (co_await), no variables", refuses, 22, 2, [] { switch_of_await(); });
    attempt("switch (co_await)", refuses, 20, 1, [] { switch_with_variable(); });
    attempt("if (a && co_await), true", allows, 2, 1, [] { and_before_assignment(true); });
    attempt("if (a && co_await), false", allows, 7, 0, [] { and_before_assignment(false); });
    attempt("if (a || co_await)", allows, 2, 0, [] { or_before_assignment(true); });
    attempt("x = a && co_await", allows, 7, 0, [] { and_in_initialiser(false); });
    attempt("x = a ? co_await : b", allows, 7, 0, [] { conditional_in_initialiser(false); });
    attempt("x = a ? co_await : b, taken", allows, 2, 1, [] { conditional_in_initialiser(true); });
    attempt("co_return a && co_await", refuses, 7, 0, [] { and_in_return(false); });
    attempt("co_return a || co_await", refuses, 2, 0, [] { or_in_return(true); });
    attempt("co_return a ? co_await : b", refuses, 7, 0, [] { conditional_in_return(false); });
    attempt("co_return a ? co_await : co_await", refuses, 2, 1, [] { conditional_of_two(true); });
    attempt("x = a ? co_await : co_await", refuses, 2, 1, [] { initialiser_of_two(true); });
    attempt("auto [a, b] = co_await tuple", refuses, 102, 1, [] { tuple_taken_apart(); });
    attempt("auto [a, b] = co_await pair", refuses, 102, 1, [] { pair_taken_apart(); });
    attempt("for (x : {a, b}) co_await", allows, 6, 3, [] { range_of_a_list(); });
    attempt("co_await - co_await", allows, 3, 2, [] { two_operands(); });
    attempt("f(co_await, co_await)", allows, 103, 2, [] { two_arguments(); });
    attempt("try { co_await } catch", allows, 4, 2, [] { catch_behind(); });
    attempt("(co_await text).size()", allows, 101, 1, [] { string_temporary(); });
    attempt("co_await f(named aggregate)", allows, 1, 1, [] { aggregate_named(); });
    attempt("co_await f(temporary aggregate)", told, 1, 1, [] { aggregate_temporary(); });
    attempt("co_await f([captures] {})", told, 1, 1, [] { lambda_temporary(); });
    std::printf("%d passed, %d failed\n", tried - wrong_ones, wrong_ones);
    return wrong_ones > 0;
}
