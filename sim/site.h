#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tidemark::sim {

// Places in the simulator where something is decided at random. The name (not the number) goes into
// the decision, so sites may be added, removed and reordered without changing what a seed does
// elsewhere.
enum class Site : uint8_t {
  // Links: actor is from * 8 + to.
  kMessageLatency,
  kMessageLost,
  kMessageDuplicated,
  kDuplicateLatency,
  kMessageReordered,
  kLeaderCutOff,
  kDatagramLost,
  kDatagramDamaged,
  kDamagedBit,
  kDialLatency,
  // Nodes: actor is the node.
  kStepDelay,
  kFlushLatency,
  kFlushSlow,
  kSlowFlushLatency,
  kFlushFails,
  kDiesAfterFailedSync,
  kLivesAfterFailedSync,
  kReadLatency,
  kFetchReadLatency,
  kCrashInStep,
  kCrashEffect,
  kCrashInFlush,
  kCrashInFlushAt,
  kCrashInFlushDown,
  kCrashDown,
  kCrashMode,
  kCrashSector,
  kCrashName,
  kCrashSize,
  kSyncLost,
  kReopen,
  kWriteFails,
  kWriteFailsAfter,
  kClockOrigin,
  kClockRate,
  kNodeSeed,
  kAwayNode,
  // Restarts when all is quiet: actor is the ordinal of the restart.
  kQuietRestartNode,
  kQuietRestartPower,
  kQuietRestartDown,
  kRotSegment,
  kRotByte,
  kLogEndRots,
  kLogEndRotEntry,
  kLogEndRotByte,
  kWriteMisdirected,
  kWriteMisdirectedTo,
  kReadFails,
  kFramesForged,
  kForgedByte,
  // Faults that last: actor is the ordinal of the fault, counted from 0.
  kFaultGap,
  kFaultKind,
  kFaultAtLeader,
  kFaultTarget,
  kFaultLength,
  kPartitionKind,
  kPartitionSide,
  kPartitionDeaf,
  kPartitionOther,
  kLinkOther,
  kWallClock,
  kLinkDelay,
  // Rot while nodes run: actor is the ordinal of the rot, counted from 0.
  kRotGap,
  kRotNode,
  // Clients: actor is the client.
  kClientSeed,
  kClientLatency,
  kClientBreak,
  kProduceGap,
  kBurst,
  kBatchShape,
  kRecordBytes,
  kAdmin,
  kMoveWait,
  kTransferWait,
  kTransferTo,
  kTransferGroup,
  kReadGap,
  kReadNode,
  kReadKind,
  kReadBound,
  kIntruderPause,
  kIntruderNode,
  kIntruderRequest,
  // The operator of members: actor is the ordinal of the action.
  kMemberGap,
  kMemberAction,
  kMemberNode,
  kMemberDisk,
  kMemberWait,
  kMemberMove,
  kMemberReplica,
  kMemberGroup,
  kCount,
};

// Actors are smaller than this.
inline constexpr uint32_t kActorsMax = 1u << 20;

inline constexpr size_t kSites = static_cast<size_t>(Site::kCount);

// What is decided at a site when a run is recorded and the record does not say.
enum class Default : uint8_t {
  kLeast,   // the least value possible; what may go wrong does not
  kMost,    // the greatest
  kMiddle,  // the one between
  kFixed,   // any, but always the same: a function of site, actor and count
};

std::string_view NameOf(Site site);
std::optional<Site> SiteOf(std::string_view name);
Default DefaultOf(Site site);

// The site whose random stream decides here when a seed does. Sites that were one once still share
// their stream, so that seeds keep their meaning.
constexpr Site StreamOf(Site site) {
  switch (site) {
    case Site::kDuplicateLatency:
      return Site::kMessageLatency;
    case Site::kSlowFlushLatency:
      return Site::kFlushLatency;
    case Site::kDiesAfterFailedSync:
    case Site::kLivesAfterFailedSync:
      return Site::kReopen;
    case Site::kFetchReadLatency:
      return Site::kReadLatency;
    case Site::kCrashEffect:
      return Site::kCrashInStep;
    case Site::kCrashDown:
      return Site::kFaultLength;
    case Site::kWriteFailsAfter:
      return Site::kWriteFails;
    case Site::kFaultAtLeader:
    case Site::kPartitionKind:
    case Site::kPartitionSide:
    case Site::kPartitionDeaf:
    case Site::kPartitionOther:
    case Site::kLinkOther:
    case Site::kWallClock:
      return Site::kFaultTarget;
    case Site::kBurst:
      return Site::kBatchShape;
    default:
      return site;
  }
}

// Names of the values 0, 1, ... of a site; empty: they are numbers.
std::span<const std::string_view> ValueNames(Site site);
// Its values are 64 random bits rather than quantities.
bool IsBits(Site site);

// One decision: the `count`-th (from 0) that `actor` made at `site`.
//   Units   of value: nanoseconds where it is a time; 1 where it says that something happens.
struct Decision {
  Site site;
  uint32_t actor = 0;
  uint32_t count = 0;
  int64_t value = 1;
  friend bool operator==(const Decision&, const Decision&) = default;
};

// "message_lost actor 3 count 17", "fault_kind actor 0 count 0: partition".
std::string Describe(const Decision& decision);
// The value alone, as it is written in a scenario: a number, a name or x followed by hex digits.
std::string ValueText(Site site, int64_t value);
// Its inverse; nullopt if `text` is no value of `site`.
std::optional<int64_t> ParseValue(Site site, std::string_view text);

}  // namespace tidemark::sim
