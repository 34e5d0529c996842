#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tidemark::sim {

// What happened in a run: faults that were injected and states that were reached. A campaign in
// which one of these never happened proves less than it seems to and is reported as a failure.
enum class Probe : uint8_t {
  // Faults.
  kMessageLost,
  kMessageDuplicated,
  kMessageReordered,
  kDatagramLost,
  kDatagramDamaged,
  kPartitionSplit,
  kPartitionIsolated,
  kPartitionOneWay,
  kPartitionPair,
  kLeaderCutOff,
  kLinkBroken,
  kLinkSlow,
  kLinkHalfOpen,
  kPowerLoss,
  kProcessKilled,
  kCrashInStep,
  kCrashInFlush,
  kClusterPowerLoss,
  kWriteLost,
  kWriteTorn,
  kNameLost,
  kPause,
  kGracefulRestart,
  kNodeAway,
  kSlowFlush,
  kSyncFailed,
  kDiskFull,
  kWriteFailed,
  kClientDisconnected,
  kWallClockSet,
  kRotInjected,
  kLogEndRotted,
  kWriteMisdirected,
  kReadFailed,
  kFramesForged,
  kDiskHang,
  kDiskWiped,
  kQuietRestart,
  // States.
  kLeaderChanged,
  kTruncated,
  kRecovered,
  kGroupReopened,
  kSegmentRolled,
  kPrefixRemoved,
  kCatalogSnapshotMade,
  kCatalogSnapshotLoaded,
  kCatalogSnapshotInstalled,
  kConsumerBehindRetention,
  kCompactionPass,
  kRecordCompacted,
  kConsumerAcrossGap,
  kColdRead,
  kPacedCatchUp,
  kBatchAcked,
  kRetryRecognised,
  kBatchRefused,
  kBatchGivenUp,
  kRecordConsumed,
  kReadAtFollower,
  kReadIndexServed,
  kReadIndexFollower,
  kLeaseRead,
  kBoundedRead,
  kBoundedRefused,
  kTopicCreated,
  kTopicDeleted,
  kScrubPass,
  kScrubFinding,
  kRotRepaired,
  kRepairUnderFaults,
  kLogEndGivenUp,
  kLogEndRegained,
  kLogRefetched,
  kDigestCompared,
  kAccessDenied,
  kGroupQuiet,
  kGroupWoken,
  kDiskStalled,
  kMemberFailed,
  kMemberBack,
  kWipedNodeRejoined,
  kReplicaDropped,
  kNodeJoined,
  kNodeLeft,
  kNodeRemoved,
  kNodeReplaced,
  kNodeCameBack,
  kReplicaMoved,
  kLeadershipHandedOver,
  kCount,
};

inline constexpr size_t kProbes = static_cast<size_t>(Probe::kCount);
// Probes below this one are faults.
inline constexpr Probe kFirstState = Probe::kLeaderChanged;

std::string_view NameOf(Probe probe);

struct Coverage {
  std::array<uint64_t, kProbes> hits{};

  void Hit(Probe probe, uint64_t times = 1) { hits[static_cast<size_t>(probe)] += times; }
  uint64_t operator[](Probe probe) const { return hits[static_cast<size_t>(probe)]; }
  void Add(const Coverage& other) {
    for (size_t i = 0; i < kProbes; ++i) hits[i] += other.hits[i];
  }
};

}  // namespace tidemark::sim
