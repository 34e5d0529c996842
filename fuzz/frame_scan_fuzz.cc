#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/check.h"
#include "engine/log/frame.h"

// Any bytes as the frames of a segment.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tidemark;
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  FrameContext context{.next_offset = Offset(0), .term = Term(0)};
  size_t pos = 0;
  std::string_view wrong;
  while (const auto header = FrameAt(file.substr(pos), context, wrong)) {
    TIDEMARK_CHECK_LE(pos + header->total_bytes(), file.size());
    pos += header->total_bytes();
    context = {.next_offset = header->base_offset + header->offset_span(),
               .term = header->leader_epoch};
  }
  bool gave_up = false;
  const auto later = FindLaterFrame(file, pos, context, gave_up);
  if (later.has_value()) {
    TIDEMARK_CHECK_GE(*later, pos);
    static_cast<void>(LostSectorIn(file, pos, *later));
  }
  return 0;
}
