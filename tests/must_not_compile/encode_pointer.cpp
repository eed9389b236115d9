// expect: this type cannot be encoded: make it a struct of encodable types
#include <magnetar/wire/codec.hpp>

using namespace magnetar;

struct Node {
    int value;
    Node* next;
};
void wrong(Writer& out, const Node& node) { encode(out, node); }
