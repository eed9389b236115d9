// expect: this type cannot be encoded: make it a struct of encodable types
#include <magnetar/wire/json_codec.hpp>

using namespace magnetar;

class Account {
public:
    explicit Account(long balance) : balance_(balance) {}

private:
    long balance_;
};
Json wrong(const Account& account) { return to_json(account); }
