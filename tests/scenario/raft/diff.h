#pragma once

#include <string>
#include <string_view>

namespace tidemark::scenario {

// What turns the lines of `before` into those of `after`, as a unified diff with three lines of
// context; empty if they are equal. Takes time and memory of the product of their lengths.
std::string UnifiedDiff(std::string_view name, std::string_view before, std::string_view after);

}  // namespace tidemark::scenario
