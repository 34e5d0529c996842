#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Early return on a failed absl::Status; Debian's Abseil ships none.
//   TIDEMARK_RETURN_IF_ERROR(Check(x));
//   TIDEMARK_ASSIGN_OR_RETURN(auto y, Make(x));

#define TIDEMARK_RETURN_IF_ERROR(expression)      \
  do {                                            \
    absl::Status tidemark_status_ = (expression); \
    if (!tidemark_status_.ok()) [[unlikely]] {    \
      return tidemark_status_;                    \
    }                                             \
  } while (false)

#define TIDEMARK_STATUS_CONCAT_(a, b) a##b
#define TIDEMARK_STATUS_NAME_(line) TIDEMARK_STATUS_CONCAT_(tidemark_status_or_, line)
#define TIDEMARK_ASSIGN_OR_RETURN_(name, target, expression) \
  auto name = (expression);                                  \
  if (!name.ok()) [[unlikely]] {                             \
    return std::move(name).status();                         \
  }                                                          \
  target = std::move(name).value()

#define TIDEMARK_ASSIGN_OR_RETURN(target, expression) \
  TIDEMARK_ASSIGN_OR_RETURN_(TIDEMARK_STATUS_NAME_(__LINE__), target, expression)
