#include "engine/log/batch_rewrite.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/base/status_macros.h"

namespace tidemark {

absl::StatusOr<BatchHeader> DecodeSparseHeader(std::string_view bytes) {
  if (bytes.size() < kBatchHeaderBytes || bytes[16] != static_cast<char>(EntryKind::kData)) {
    return DecodeBatchHeader(bytes);
  }
  // A sparse header is that of the whole batch but for the count.
  char whole[kBatchHeaderBytes];
  std::copy_n(bytes.data(), kBatchHeaderBytes, whole);
  const uint32_t count = LoadBig<uint32_t>(whole + 57);
  StoreBig(whole + 57, LoadBig<uint32_t>(whole + 23) + 1);
  TIDEMARK_ASSIGN_OR_RETURN(BatchHeader header,
                            DecodeBatchHeader(std::string_view(whole, kBatchHeaderBytes)));
  if (count > header.record_count) {
    return absl::InvalidArgumentError(absl::StrCat("not a record batch: record_count is ", count,
                                                   " and last_offset_delta ",
                                                   header.last_offset_delta));
  }
  header.record_count = count;
  return header;
}

void BatchRewrite::Begin() {
  kept_.clear();
  run_begin_ = 0;
}

void BatchRewrite::Drop(std::string_view frame, size_t begin, size_t end) {
  TIDEMARK_CHECK_LE(run_begin_, begin);
  TIDEMARK_CHECK_LE(end, frame.size());
  TIDEMARK_CHECK_GE(begin, kBatchHeaderBytes);
  kept_.append(frame.substr(run_begin_, begin - run_begin_));
  run_begin_ = end;
}

std::string_view BatchRewrite::Finish(std::string_view frame, uint32_t kept) {
  if (run_begin_ == 0) return frame;
  kept_.append(frame.substr(run_begin_));
  StoreBig(kept_.data() + 8, static_cast<uint32_t>(kept_.size() - 12));
  StoreBig(kept_.data() + 57, kept);
  StoreBig(kept_.data() + 17, Crc32c(std::string_view(kept_).substr(21)));
  return kept_;
}

}  // namespace tidemark
