#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/node/event.h"

// Raft messages, and parts of snapshots, as bytes of one peer transport frame, and back. Pure; both
// worlds use it.
//
//   u32 LE  n, length of the envelope
//   n       tidemark.peer.v1.Envelope (protobuf)
//   rest    only after an AppendRequest: the frames of its entries, exactly as they are on disk, of
//           consecutive indexes from prev_index + 1; after a SnapshotChunk: its bytes

namespace tidemark {

// Longest envelope that is accepted: that of kBeatsMax heartbeats and kReleasesMax releases, at
// most 80 and 24 bytes each. All others are a few dozen numbers, or all members of a group several
// times.
inline constexpr size_t kEnvelopeBytesMax = 96u << 10;

// The parts to be sent one after the other as one frame: the header part, then the entries' frames
// (shared, not copied).
//   Checks  dies if the entries are not of consecutive indexes from prev_index + 1.
std::vector<Bytes> EncodePeer(const PeerMessage& message);

// The message in `frame`. Entries are slices of `frame` and keep it alive.
//   Errors  kInvalidArgument, with what is wrong: lengths, unknown or missing body, numbers out of
//           range (a node id or index of 0 where none may be, a term above kTermMax), a bad batch
//           header, an entry count that does not match the bytes, bytes left over. Checksums are
//           not verified here: the log does that on the way to disk.
absl::StatusOr<PeerMessage> DecodePeer(const Bytes& frame);

}  // namespace tidemark
