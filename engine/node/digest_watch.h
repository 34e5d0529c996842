#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/node/snapshot_message.h"
#include "engine/raft/node_set.h"

namespace tidemark {

// Compares the running digest of a replica's log (engine/log/digest.h) with what the others say of
// theirs, at every 16th entry: two logs that were given the same entries and became different ones
// (a bug, or memory that changed a byte before it was checksummed) are noticed within seconds and
// not when somebody reads both. A replica that is found wrong drops its log and fetches it
// from the others, as if its disk had lost it; its operator is told. The catalog's stops, and stops
// again after a restart at the next entry that is compared: its state was made of the wrong log.
// Digests are at hand when entries are appended: nothing is computed.
//   Source  etcd-io/etcd#13766 (replicas that drifted apart unnoticed); its corruption check.
class DigestWatch {
 public:
  // The log ends with entry `index` now, whose running digest is `digest`.
  void OnAppended(LogIndex index, uint64_t digest);
  // Entries from `from` on were cut.
  void OnTruncated(LogIndex from);
  // Another log altogether.
  void Clear();

  // What to tell the others of entries up to `verified` (committed and durable here), if it is time
  // to and there is news.
  std::optional<DigestReport> Report(Instant now, Duration interval, LogIndex verified);

  enum class Verdict : uint8_t {
    kUnknown,  // nothing here to compare with: gone, or not there yet
    kSame,
    kDiffers,   // from this one; who is right is not known
    kOutvoted,  // most voters have the same other digest: this replica is wrong
  };
  // Node `from`, one of `voters` or not, has told. `verified` as above.
  Verdict OnReport(NodeId from, const DigestReport& report, LogIndex verified,
                   const raft::NodeSet& voters);

  // As compared last: up to where everybody agreed; what is here at `index`.
  LogIndex agreed() const { return agreed_; }
  std::optional<uint64_t> At(LogIndex index) const;

 private:
  std::deque<DigestReport> samples_;  // ascending
  std::map<NodeId, DigestReport> differing_;
  LogIndex reported_;
  LogIndex agreed_;
  Instant next_at_;
};

}  // namespace tidemark
