#pragma once

#include <string_view>

// Casbin's path functions, without regular expressions: everything but the wildcards named here
// stands for itself ('.' is a dot, '+' a plus). Time is bounded by the product of the two lengths.

namespace tidemark::acl {

// `pattern` up to its first '*' is a prefix of `key`; without a '*' both are equal.
bool KeyMatch(std::string_view key, std::string_view pattern);

// "/*" at any place is "/" and anything; ":name" is one or more characters other than '/'.
bool KeyMatch2(std::string_view key, std::string_view pattern);

// The same with "{name}" instead of ":name".
bool KeyMatch3(std::string_view key, std::string_view pattern);

}  // namespace tidemark::acl
