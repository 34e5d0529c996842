#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Batches that compaction took records from.
//
// A *sparse* batch is the batch it once was without some of its records. The records that are left
// are the same bytes, so their offset deltas keep their values and have gaps between them;
// record_count counts what is left, down to 0; batch_length and the checksum fit what is left. All
// else is as the producer and the leader wrote it: last_offset_delta, and with it the offsets the
// batch stands for and its producer's next sequence; both timestamps, which records are relative
// to.
//   Source  Kafka's message format since version 2, "the first and last offset/sequence numbers are
//           preserved when the log is cleaned".

namespace tidemark {

// Takes records out of one frame at a time. Nothing is copied before the first record goes.
class BatchRewrite {
 public:
  // Begins with a frame that is kept as a whole so far.
  void Begin();
  // Takes out the record at bytes [begin, end) of `frame`, behind those taken out before.
  void Drop(std::string_view frame, size_t begin, size_t end);
  // The frame without the records taken out, of which `kept` are left: `frame` itself if that is
  // all of them.
  //   Lives  until the next Begin(), and as long as `frame`.
  std::string_view Finish(std::string_view frame, uint32_t kept);

 private:
  std::string kept_;      // the header and the records before run_begin_ that are kept
  size_t run_begin_ = 0;  // in the frame: kept from here on and not yet in kept_
};

}  // namespace tidemark
