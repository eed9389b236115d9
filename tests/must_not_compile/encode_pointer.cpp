// expect: this type cannot travel: make it a struct of types that can
#include <magnetar/wire/codec.hpp>

using namespace magnetar;

struct Node {
    int value;
    Node* next;
};
void wrong(Writer& out, const Node& node) { encode(out, node); }
