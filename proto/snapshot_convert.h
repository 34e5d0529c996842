#pragma once

#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/node/snapshot_message.h"
#include "tidemark/peer/v1/peer.pb.h"

namespace tidemark {

// The parts of snapshots and of repairs in peer messages (peer_convert.h). The bytes of a chunk, or
// of frames, are not in the envelope.
bool HasSnapshotPart(const peer::v1::Envelope& envelope);
void EncodeSnapshotPart(const SnapshotMessage& message, peer::v1::Envelope& envelope);

// `rest` are the bytes behind the envelope, which has such a part.
//   Errors  kInvalidArgument: numbers that no segment has, or more bytes than a chunk may have.
absl::StatusOr<SnapshotMessage> DecodeSnapshotPart(const peer::v1::Envelope& envelope, Bytes rest);

}  // namespace tidemark
