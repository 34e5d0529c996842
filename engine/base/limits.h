#pragma once

#include <cstddef>
#include <cstdint>

// Every bound of the engine in one place. A queue, a loop or a buffer without a line here is a bug.

namespace tidemark {

// Largest record batch (header included) a client may send; one raft entry, one frame on disk.
inline constexpr size_t kBatchBytesMax = 8u << 20;
// Records in one batch; Kafka's record_count is a signed 32-bit field.
inline constexpr uint32_t kBatchRecordsMax = 1u << 20;
// Bytes of one AppendEntries message, at least one entry always fits.
inline constexpr size_t kAppendBytesMax = 1u << 20;
// Entries of one AppendEntries message.
inline constexpr size_t kAppendEntriesMax = 4096;
// Unacknowledged AppendEntries bytes and messages to one peer of one group.
inline constexpr size_t kInflightBytesMax = 8u << 20;
inline constexpr size_t kInflightMessagesMax = 64;
// Appended and not yet committed bytes of one group; beyond it produce gets kResourceExhausted.
inline constexpr size_t kUncommittedBytesMax = 64u << 20;
// Recent entries a group keeps in memory for replication.
inline constexpr size_t kEntryCacheBytesMax = 16u << 20;
// Bytes a single fetch may return; at least one batch always fits.
inline constexpr size_t kFetchBytesMax = 16u << 20;
// Waiting (tailing) fetches of one node.
inline constexpr size_t kParkedFetchesMax = 16384;
// Idempotent producers remembered per partition; the least recently used one is forgotten.
inline constexpr size_t kProducersPerPartitionMax = 4096;
// Batches of one producer remembered for answering a retry; also the most it may have in flight.
inline constexpr size_t kProducerBatchesMax = 64;
// Size of a log segment. File positions in the index are 32 bits wide.
inline constexpr uint64_t kSegmentBytesMin = 16u << 10;
// The longest time records may be kept for, but for ever: 100 years.
inline constexpr uint64_t kRetentionMillisMax = uint64_t{36500} * 24 * 3600 * 1000;
// Topics of a cluster and partitions of one topic.
inline constexpr size_t kTopicsMax = 10'000;
inline constexpr uint32_t kPartitionsPerTopicMax = 1024;
inline constexpr size_t kTopicNameBytesMax = 249;
// Nodes of a cluster; replicas of a partition.
inline constexpr size_t kNodesMax = 128;
inline constexpr size_t kReplicasMax = 9;
// Changes of members in one entry; linearizable reads of one group that wait at one node.
inline constexpr size_t kConfChangesMax = 64;
inline constexpr size_t kReadsPendingMax = 4096;
// Answers about what had been acknowledged that a replica keeps until it shows that much.
inline constexpr size_t kReadFactsMax = 64;
// What a bounded read may ask for: shorter bounds would have every replica ask its leader all the
// time, and longer ones mean nothing.
inline constexpr uint64_t kStalenessMicrosMin = 1000;
inline constexpr uint64_t kStalenessMicrosMax = uint64_t{24} * 3600 * 1'000'000;
// Heartbeats in a row at which nothing was going on in a group, before it may go quiet: busy ones
// shall not fall asleep between two batches.
inline constexpr uint32_t kQuietAfterBeats = 6;
// When a flush is taken to hang: later than the slow syncs of a busy disk (DECISIONS.md 40).
inline constexpr int64_t kDiskStallMillis = 3000;
// Heartbeats and answers, and groups that a node leads no more, in one message between nodes.
inline constexpr size_t kBeatsMax = 1024;
inline constexpr size_t kReleasesMax = 256;
// Rounds in a row in which a new member must keep pace before it votes; requests to change members
// that wait at one node; and how often a node reports again how far a move is, until the catalog
// shows it.
inline constexpr int kCatchUpRounds = 3;
inline constexpr size_t kMemberWaitsMax = 64;
inline constexpr int64_t kMoveReportMillis = 500;
// A term is stored in 31 bits (Kafka's leader_epoch).
inline constexpr uint64_t kTermMax = 0x7fffffff;
// A gossip datagram; fits a jumbo-less loopback or Ethernet path without fragmentation.
inline constexpr size_t kDatagramBytesMax = 1400;
// One side's whole view of the membership, sent over the peer transport.
inline constexpr size_t kGossipStreamBytesMax = 2u << 20;
// Members gossip remembers, the departed ones included; one member's bytes on the wire, so that it
// fits a datagram beside the message it rides on.
inline constexpr size_t kGossipMembersMax = 2 * kNodesMax;
inline constexpr size_t kGossipMemberBytesMax = 768;
inline constexpr size_t kClusterIdBytesMax = 128;
// Indirect probes a node runs for others at a time.
inline constexpr size_t kGossipRelaysMax = 256;
// One frame of the peer transport.
inline constexpr size_t kPeerFrameBytesMax = 32u << 20;
// The first frame of a peer connection, from somebody not yet known.
inline constexpr size_t kPeerHelloBytesMax = 4096;
// Access control: bytes of a model or policy text, its rules, fields of a rule, role relations.
inline constexpr size_t kAclTextBytesMax = 16u << 20;
inline constexpr size_t kAclRulesMax = 100'000;
inline constexpr size_t kAclFieldsMax = 16;
inline constexpr size_t kAclRoleRelationsMax = 8;
// Steps from a member to a role (Casbin's own bound), and roles looked at in one question.
inline constexpr size_t kAclRoleLevelsMax = 10;
inline constexpr size_t kAclRolesReachedMax = 1024;
// Nodes of a matcher's expression and how deep they nest; arguments of one call.
inline constexpr size_t kAclMatcherNodesMax = 1024;
inline constexpr size_t kAclMatcherDepthMax = 64;
// Value-or-wildcard conjuncts that an index takes: each doubles the look-ups of a decision.
inline constexpr size_t kAclWildcardsMax = 4;
// A value of a request (principal, object, action); longer ones are denied.
inline constexpr size_t kPrincipalBytesMax = 1024;
inline constexpr size_t kAclValueBytesMax = 4096;

// A segment; positions in it are 32-bit, with room for one frame past the size asked for.
inline constexpr uint64_t kSegmentBytesMax = uint64_t{2} << 30;
// Terms of the frames of one segment, and runs in its footer: a footer fits one read of 4096 bytes.
inline constexpr size_t kSegmentTermsMax = 64;
inline constexpr size_t kFooterRunsMax = 160;
// State that a checkpoint in a sidecar may hold.
inline constexpr size_t kCheckpointBytesMax = 64u << 20;
// Of the catalog in a checkpoint: its encoded state, and the entries behind what it is of. A
// checkpoint that would need more is left out, and what it would have replaced is kept.
inline constexpr size_t kCatalogStateBytesMax = 32u << 20;
inline constexpr size_t kCatalogPendingBytesMax = 16u << 20;
// The catalog's log goes on in a segment of its own, which begins with the state, after so many
// entries or so many bytes, whichever comes first; of those states the last two are kept, with what
// follows, and for members that lag behind some more.
inline constexpr uint64_t kCatalogSnapshotEntries = 4096;
inline constexpr uint64_t kCatalogSnapshotBytes = 4u << 20;
inline constexpr uint64_t kCatalogSegmentBytes = 2 * kCatalogSnapshotBytes;
inline constexpr size_t kCatalogSnapshotsKept = 2;
inline constexpr size_t kCatalogSnapshotsForLaggards = 5;
// Keys one pass of compaction tells apart (72 MiB); at least those of one batch, or none would fit.
inline constexpr size_t kCompactionKeysMax = 2u << 20;
static_assert(kCompactionKeysMax >= kBatchRecordsMax);
// What a pass of compaction reads at a time, and writes before it waits for the disk.
inline constexpr size_t kCompactionPieceBytes = 1u << 20;
// What a record costs of a compaction step's budget of bytes, its own bytes aside: hashing its key
// and finding it in the table takes about as long as checking and copying a KiB.
inline constexpr int64_t kCompactionRecordWork = 1024;
// A replica whose storage failed has its files read again after this long, twice as long each time
// it fails again soon.
inline constexpr int64_t kReopenMillisMin = 1000;
inline constexpr int64_t kReopenMillisMax = 30'000;
// Of the disk's headroom, below which produce is refused: followers go on storing what leaders have
// taken down to this part; the rest is for votes, the catalog and removing. Space counts as back
// when there is this part more than what was missing.
inline constexpr uint64_t kFollowerHeadroomParts = 2;
inline constexpr uint64_t kHeadroomHysteresisParts = 8;
// What a scrubber reads at a time, and how much of a damaged run it holds to find the next frame.
inline constexpr size_t kScrubReadBytes = 256u << 10;
inline constexpr size_t kScrubSearchBytes = kBatchBytesMax + kScrubReadBytes;
// Findings a scrubber tells apart in one segment; what is damaged behind them counts as one.
inline constexpr size_t kScrubFindingsMax = 64;
// How often it tries a read that the operating system refuses before it believes that the disk
// cannot.
inline constexpr int kScrubTriesMax = 3;
// Segments that wait to be looked at because somebody saw damage.
inline constexpr size_t kScrubSuspectsMax = 16;
// What replacing a segment takes at a time, and writes before it waits for the disk.
inline constexpr size_t kReplacementPieceBytes = 1u << 20;
// Bytes of a segment that a snapshot's receiver asks for at a time, with one request under way; the
// largest sidecar it takes; numbers set aside for the segments of one snapshot.
inline constexpr size_t kSnapshotChunkBytes = 256u << 10;
inline constexpr uint64_t kSidecarBytesMax = uint64_t{1} << 30;
inline constexpr uint64_t kSnapshotSegmentsMax = uint64_t{1} << 20;
// Frames sent at a time to who repairs a segment: one that is begun is sent whole.
inline constexpr size_t kFramesReplyBytesMax = kSnapshotChunkBytes + kBatchBytesMax;
// A segment that nobody could help to repair is asked for again after this long.
inline constexpr int64_t kRepairRetryMillis = 5000;
// Who leads it meanwhile lets another lead: at once, then after a pause of as long, which doubles
// up to so many times that.
inline constexpr int64_t kHandOverPausesMax = 64;
// Replicas compare the running digests of their logs at every so many entries, and keep so many.
inline constexpr uint64_t kDigestSampleEntries = 16;
inline constexpr size_t kDigestSamplesMax = 256;
// How often they tell each other, in heartbeat intervals.
inline constexpr int64_t kDigestHeartbeats = 8;
// How fast a node takes snapshots unless told otherwise: a part of what disks and networks do, so
// that whoever is served by the source and the receiver does not notice.
inline constexpr uint64_t kSnapshotBytesPerSecond = 64u << 20;
inline constexpr uint64_t kSnapshotRateMin = 64u << 10;
// How fast a leader sends entries to each node that lags and that nobody waits for, likewise; while
// its clients append only a part of it, but as much more as they append. What is read for it at a
// time holds the loop up for a tenth of a millisecond. Appends make a leader busy for a second.
inline constexpr uint64_t kCatchUpBytesPerSecond = 64u << 20;
inline constexpr uint64_t kCatchUpRateMin = 64u << 10;
inline constexpr uint64_t kCatchUpRateMax = uint64_t{8} << 30;
inline constexpr uint64_t kCatchUpBusyParts = 4;
inline constexpr size_t kCatchUpReadBytes = 64u << 10;
inline constexpr int64_t kCatchUpBusyMillis = 1000;
// A receiver that hears nothing asks again, whoever leads by then, after this long; and goes on
// this long after what it got was refused.
inline constexpr int64_t kSnapshotRetryMillis = 1000;
// Reads of segments under way for others that receive them, of one group.
inline constexpr size_t kSnapshotReadsMax = 8;
// A segment is not removed from under a receiver for this long after it last asked, all in all this
// long.
inline constexpr int64_t kSnapshotPinSeconds = 30;
inline constexpr int64_t kSnapshotPinSecondsMax = 3600;
// How much of a pass a node does between other work, and the pause after it.
inline constexpr int64_t kCompactionStepBytes = 256 << 10;
inline constexpr int64_t kCompactionPauseMicros = 1000;
// A log whose pass failed is left alone for so long.
inline constexpr int64_t kCompactionRetrySeconds = 600;
// A compacted topic keeps tombstones for so long unless told otherwise: a day, as Kafka does.
inline constexpr uint64_t kTombstoneMillisDefault = uint64_t{24} * 3600 * 1000;
// Recovery's search for a frame behind a damaged one checksums at most this many times the bytes.
inline constexpr uint64_t kFrameSearchWork = 16;

}  // namespace tidemark
