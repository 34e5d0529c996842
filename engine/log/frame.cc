#include "engine/log/frame.h"

#include <algorithm>
#include <cstring>

#include "engine/base/limits.h"

namespace tidemark {

std::optional<BatchHeader> FrameAt(std::string_view rest, const FrameContext& context,
                                   std::string_view& wrong) {
  wrong = {};
  if (rest.size() < kBatchHeaderBytes || rest[16] == '\0') return std::nullopt;
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(rest);
  if (!header.ok()) {
    wrong = "a frame header makes no sense";
  } else if (header->total_bytes() > rest.size()) {
    wrong = "a frame reaches past the file's end";
  } else if (header->base_offset < context.next_offset ||
             (header->base_offset != context.next_offset && !context.gaps)) {
    wrong = "a frame has a wrong offset";
  } else if (header->leader_epoch < context.term) {
    wrong = "a frame has a term that went back";
  } else if (!BatchChecksumMatches(rest.substr(0, header->total_bytes()))) {
    wrong = "a frame's checksum is wrong";
  } else {
    return *header;
  }
  return std::nullopt;
}

std::optional<size_t> FindLaterFrame(std::string_view file, size_t begin,
                                     const FrameContext& context, bool& gave_up) {
  gave_up = false;
  uint64_t work = kFrameSearchWork * (file.size() - std::min(begin, file.size()));
  for (size_t at = begin; at + kBatchHeaderBytes <= file.size(); ++at) {
    const char magic = file[at + 16];
    if (magic != static_cast<char>(EntryKind::kData) &&
        magic != static_cast<char>(EntryKind::kControl)) {
      continue;
    }
    const std::string_view rest = file.substr(at);
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(rest);
    if (!header.ok() || header->total_bytes() > rest.size() ||
        header->base_offset < context.next_offset || header->leader_epoch < context.term) {
      continue;
    }
    if (work < header->total_bytes()) {
      gave_up = true;
      return std::nullopt;
    }
    work -= header->total_bytes();
    if (BatchChecksumMatches(rest.substr(0, header->total_bytes()))) return at;
  }
  return std::nullopt;
}

bool LostSectorIn(std::string_view file, size_t begin, size_t end) {
  end = std::min(end, file.size());
  while (begin < end) {
    // To the sector's end also where that lies behind `end`: what follows may begin with zeros of
    // its own, and only a sector that is all zeros did not arrive.
    const size_t sector_end = (begin / kSectorBytes + 1) * kSectorBytes;
    if (AllZeros(file.substr(begin, sector_end - begin))) return true;
    begin = sector_end;
  }
  return false;
}

bool AllZeros(std::string_view bytes) {
  // Equal to itself shifted by one byte, beginning with zero: memcmp does the work.
  return bytes.empty() ||
         (bytes[0] == '\0' && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace tidemark
