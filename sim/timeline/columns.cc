#include "sim/timeline/columns.h"

#include <cstddef>

#include "absl/strings/escaping.h"
#include "engine/base/coding.h"

namespace tidemark::sim {

std::string EncodeColumn(std::span<const int64_t> numbers) {
  std::string bytes;
  int64_t before = 0;
  for (size_t i = 0; i < numbers.size();) {
    const int64_t difference = numbers[i] - before;
    before = numbers[i++];
    AppendVarint(bytes, difference);
    if (difference != 0) continue;
    const size_t first = i;
    while (i < numbers.size() && numbers[i] == before) ++i;
    AppendVarint(bytes, static_cast<int64_t>(i - first));
  }
  return absl::Base64Escape(bytes);
}

}  // namespace tidemark::sim
