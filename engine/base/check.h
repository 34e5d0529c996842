#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

// Checks of facts that correct code can rely on whatever the hardware, network or user does.
// They stay on in release builds. Never apply them to bytes from outside: those get a Status.
//
// `TIDEMARK_CHECK(cond)` one fact; `TIDEMARK_CHECK_EQ(a, b)` and friends print both values.
// The engine may not print (that is IO), so `CheckFailed` is declared here and defined once in each
// world: runtime/base/check.cc, sim/check.cc, tests/support/check.cc.

namespace tidemark {

// Reports the failed check and ends the process. Defined by the world that links the engine.
[[noreturn]] void CheckFailed(const char* file, int line, std::string_view what);

namespace check_internal {

// Renders the values a check compares; anything without a number or text form prints as "?".
template <typename T>
std::string Describe(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<int64_t>(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    return std::to_string(value);
  } else if constexpr (requires {
                         value.value();
                         std::to_string(value.value());
                       }) {
    return std::to_string(value.value());
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return std::string(std::string_view(value));
  } else {
    return "?";
  }
}

template <typename A, typename B>
[[noreturn]] void FailedComparison(const char* file, int line, const char* what, const A& a,
                                   const B& b) {
  CheckFailed(file, line, std::string(what) + " (" + Describe(a) + " vs " + Describe(b) + ")");
}

}  // namespace check_internal
}  // namespace tidemark

#define TIDEMARK_CHECK(condition)                              \
  do {                                                         \
    if (!(condition)) [[unlikely]] {                           \
      ::tidemark::CheckFailed(__FILE__, __LINE__, #condition); \
    }                                                          \
  } while (false)

#define TIDEMARK_CHECK_OP_(a, op, b)                                                      \
  do {                                                                                    \
    const auto& tidemark_a_ = (a);                                                        \
    const auto& tidemark_b_ = (b);                                                        \
    if (!(tidemark_a_ op tidemark_b_)) [[unlikely]] {                                     \
      ::tidemark::check_internal::FailedComparison(__FILE__, __LINE__, #a " " #op " " #b, \
                                                   tidemark_a_, tidemark_b_);             \
    }                                                                                     \
  } while (false)

#define TIDEMARK_CHECK_EQ(a, b) TIDEMARK_CHECK_OP_(a, ==, b)
#define TIDEMARK_CHECK_NE(a, b) TIDEMARK_CHECK_OP_(a, !=, b)
#define TIDEMARK_CHECK_LT(a, b) TIDEMARK_CHECK_OP_(a, <, b)
#define TIDEMARK_CHECK_LE(a, b) TIDEMARK_CHECK_OP_(a, <=, b)
#define TIDEMARK_CHECK_GT(a, b) TIDEMARK_CHECK_OP_(a, >, b)
#define TIDEMARK_CHECK_GE(a, b) TIDEMARK_CHECK_OP_(a, >=, b)
