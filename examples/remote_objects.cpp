// Objects that live in another process: a bank opens accounts there and returns proxies. Their member
// functions are called as if they were local, including exceptions.
#include <fmt/core.h>

#include <stdexcept>
#include <string>

#include <magnetar/magnetar.hpp>

using namespace magnetar;

struct Account {
    int balance = 0;

    int deposit(int amount) { return balance += amount; }
    int withdraw(int amount) {
        if (amount > balance) throw std::runtime_error(fmt::format("only {} left", balance));
        return balance -= amount;
    }
};

struct Bank {
    // The account is an object of the bank's process; only its address is sent.
    Task<ActorProxy<Account>> open(std::string owner, int first_deposit) {
        co_return co_await spawn<Account>({.name = owner, .concurrency = Concurrency::coroutine},
                                          first_deposit);
    }
    Task<int> transfer(ActorProxy<Account> from, ActorProxy<Account> to, int amount) {
        co_await from.send<&Account::withdraw>(amount);
        co_return co_await to.send<&Account::deposit>(amount);
    }
};

Task<> do_business(Arbiter<>& self) {
    auto bank = co_await spawn<Bank>({.name = "bank"});  // a process of its own
    auto ann = co_await bank.send<&Bank::open>("ann", 100);
    auto bob = co_await bank.send<&Bank::open>("bob", 5);
    fmt::print("ann has {}\n", co_await ann.send<&Account::deposit>(20));
    fmt::print("bob has {}\n", co_await bank.send<&Bank::transfer>(ann, bob, 50));
    try {
        co_await ann.send<&Account::withdraw>(1000);
    } catch (const RemoteError& error) {
        fmt::print("ann gets none: {}\n", error.what());
    }
    self.stop();
}

int main() {
    return Arbiter<>({.start = [](Arbiter<>& self) { return do_business(self); }}).run();
}
