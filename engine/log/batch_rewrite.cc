#include "engine/log/batch_rewrite.h"

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/log/batch.h"

namespace tidemark {

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
