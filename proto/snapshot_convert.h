#pragma once

#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/node/snapshot_message.h"
#include "tidemark/peer/v1/peer.pb.h"

namespace tidemark {

// The parts of snapshots in peer messages (peer_convert.h). A chunk's bytes are not in the
// envelope.
void EncodeSnapshotPart(const SnapshotMessage& message, peer::v1::Envelope& envelope);

// `rest` are the bytes behind the envelope, whose body is a request for a snapshot or a chunk.
//   Errors  kInvalidArgument: numbers that no segment has, or more bytes than a chunk may have.
absl::StatusOr<SnapshotMessage> DecodeSnapshotPart(const peer::v1::Envelope& envelope, Bytes rest);

}  // namespace tidemark
