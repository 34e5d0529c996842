#include "sim/site.h"

#include <array>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tidemark::sim {
namespace {

using std::string_view;

constexpr std::array<string_view, 14> kFaultKinds = {
    "none",      "power_loss", "process_kill", "cluster_power_loss", "graceful_restart",
    "pause",     "partition",  "link_break",   "disk_full",          "wall_clock",
    "disk_hang", "link_slow",  "half_open",    "disk_wiped"};
constexpr std::array<string_view, 4> kPartitionKinds = {"split", "isolated", "one_way", "pair"};
constexpr std::array<string_view, 3> kCrashModes = {"all_survives", "nothing_survives",
                                                    "each_its_own"};
constexpr std::array<string_view, 7> kMemberActions = {"none",    "join", "leave",   "remove",
                                                       "replace", "move", "transfer"};

struct SiteInfo {
  Site site;
  string_view name;
  Default otherwise;
  std::span<const string_view> values = {};
};

constexpr std::array<SiteInfo, kSites> kInfos = {{
    {Site::kMessageLatency, "message_latency", Default::kLeast},
    {Site::kMessageLost, "message_lost", Default::kLeast},
    {Site::kMessageDuplicated, "message_duplicated", Default::kLeast},
    {Site::kDuplicateLatency, "duplicate_latency", Default::kLeast},
    {Site::kMessageReordered, "message_reordered", Default::kLeast},
    {Site::kLeaderCutOff, "leader_cut_off", Default::kLeast},
    {Site::kDatagramLost, "datagram_lost", Default::kLeast},
    {Site::kDatagramDamaged, "datagram_damaged", Default::kLeast},
    {Site::kDamagedBit, "damaged_bit", Default::kLeast},
    {Site::kDialLatency, "dial_latency", Default::kLeast},
    {Site::kStepDelay, "step_delay", Default::kLeast},
    {Site::kFlushLatency, "flush_latency", Default::kLeast},
    {Site::kFlushSlow, "flush_slow", Default::kLeast},
    {Site::kSlowFlushLatency, "slow_flush_latency", Default::kLeast},
    {Site::kFlushFails, "flush_fails", Default::kLeast},
    {Site::kDiesAfterFailedSync, "dies_after_failed_sync", Default::kLeast},
    {Site::kLivesAfterFailedSync, "lives_after_failed_sync", Default::kLeast},
    {Site::kReadLatency, "read_latency", Default::kLeast},
    {Site::kFetchReadLatency, "fetch_read_latency", Default::kLeast},
    {Site::kCrashInStep, "crash_in_step", Default::kLeast},
    {Site::kCrashEffect, "crash_effect", Default::kLeast},
    {Site::kCrashInFlush, "crash_in_flush", Default::kLeast},
    {Site::kCrashInFlushAt, "crash_in_flush_at", Default::kLeast},
    {Site::kCrashInFlushDown, "crash_in_flush_down", Default::kLeast},
    {Site::kCrashDown, "crash_down", Default::kLeast},
    {Site::kCrashMode, "crash_mode", Default::kLeast, kCrashModes},
    {Site::kCrashSector, "crash_sector", Default::kMost},
    {Site::kCrashName, "crash_name", Default::kMost},
    {Site::kCrashSize, "crash_size", Default::kMost},
    {Site::kSyncLost, "sync_lost", Default::kLeast},
    {Site::kReopen, "reopen", Default::kLeast},
    {Site::kWriteFails, "write_fails", Default::kLeast},
    {Site::kWriteFailsAfter, "write_fails_after", Default::kLeast},
    {Site::kClockOrigin, "clock_origin", Default::kFixed},
    {Site::kClockRate, "clock_rate", Default::kMiddle},
    {Site::kNodeSeed, "node_seed", Default::kFixed},
    {Site::kAwayNode, "away_node", Default::kLeast},
    {Site::kQuietRestartNode, "quiet_restart_node", Default::kLeast},
    {Site::kQuietRestartPower, "quiet_restart_power", Default::kLeast},
    {Site::kQuietRestartDown, "quiet_restart_down", Default::kLeast},
    {Site::kRotSegment, "rot_segment", Default::kLeast},
    {Site::kRotByte, "rot_byte", Default::kMiddle},
    {Site::kLogEndRots, "log_end_rots", Default::kLeast},
    {Site::kLogEndRotEntry, "log_end_rot_entry", Default::kLeast},
    {Site::kLogEndRotByte, "log_end_rot_byte", Default::kMiddle},
    {Site::kWriteMisdirected, "write_misdirected", Default::kLeast},
    {Site::kWriteMisdirectedTo, "write_misdirected_to", Default::kLeast},
    {Site::kReadFails, "read_fails", Default::kLeast},
    {Site::kFramesForged, "frames_forged", Default::kLeast},
    {Site::kForgedByte, "forged_byte", Default::kMiddle},
    {Site::kFaultGap, "fault_gap", Default::kMost},
    {Site::kFaultKind, "fault_kind", Default::kLeast, kFaultKinds},
    {Site::kFaultAtLeader, "fault_at_leader", Default::kLeast},
    {Site::kFaultTarget, "fault_target", Default::kLeast},
    {Site::kFaultLength, "fault_length", Default::kLeast},
    {Site::kPartitionKind, "partition_kind", Default::kLeast, kPartitionKinds},
    {Site::kPartitionSide, "partition_side", Default::kLeast},
    {Site::kPartitionDeaf, "partition_deaf", Default::kLeast},
    {Site::kPartitionOther, "partition_other", Default::kLeast},
    {Site::kLinkOther, "link_other", Default::kLeast},
    {Site::kWallClock, "wall_clock", Default::kMiddle},
    {Site::kLinkDelay, "link_delay", Default::kLeast},
    {Site::kRotGap, "rot_gap", Default::kMost},
    {Site::kRotNode, "rot_node", Default::kLeast},
    {Site::kClientSeed, "client_seed", Default::kFixed},
    {Site::kClientLatency, "client_latency", Default::kLeast},
    {Site::kClientBreak, "client_break", Default::kLeast},
    {Site::kProduceGap, "produce_gap", Default::kMost},
    {Site::kBurst, "burst", Default::kLeast},
    {Site::kBatchShape, "batch_shape", Default::kLeast},
    {Site::kRecordBytes, "record_bytes", Default::kLeast},
    {Site::kAdmin, "admin", Default::kMost},
    {Site::kMoveWait, "move_wait", Default::kMost},
    {Site::kTransferWait, "transfer_wait", Default::kMost},
    {Site::kTransferTo, "transfer_to", Default::kLeast},
    {Site::kTransferGroup, "transfer_group", Default::kLeast},
    {Site::kReadGap, "read_gap", Default::kMost},
    {Site::kReadNode, "read_node", Default::kLeast},
    {Site::kReadKind, "read_kind", Default::kLeast},
    {Site::kReadBound, "read_bound", Default::kMost},
    {Site::kIntruderPause, "intruder_pause", Default::kMost},
    {Site::kIntruderNode, "intruder_node", Default::kLeast},
    {Site::kIntruderRequest, "intruder_request", Default::kLeast},
    {Site::kMemberGap, "member_gap", Default::kMost},
    {Site::kMemberAction, "member_action", Default::kLeast, kMemberActions},
    {Site::kMemberNode, "member_node", Default::kLeast},
    {Site::kMemberDisk, "member_disk", Default::kLeast},
    {Site::kMemberWait, "member_wait", Default::kLeast},
    {Site::kMemberMove, "member_move", Default::kLeast},
    {Site::kMemberReplica, "member_replica", Default::kLeast},
    {Site::kMemberGroup, "member_group", Default::kLeast},
}};

constexpr bool InOrder() {
  for (size_t i = 0; i < kSites; ++i) {
    if (kInfos[i].site != static_cast<Site>(i)) return false;
  }
  return true;
}
static_assert(InOrder());

const SiteInfo& InfoOf(Site site) { return kInfos[static_cast<size_t>(site)]; }

}  // namespace

string_view NameOf(Site site) { return InfoOf(site).name; }

std::optional<Site> SiteOf(string_view name) {
  for (const SiteInfo& info : kInfos) {
    if (info.name == name) return info.site;
  }
  return std::nullopt;
}

Default DefaultOf(Site site) { return InfoOf(site).otherwise; }

std::span<const string_view> ValueNames(Site site) { return InfoOf(site).values; }

bool IsBits(Site site) { return site == Site::kNodeSeed || site == Site::kClientSeed; }

std::string Describe(const Decision& decision) {
  std::string text = absl::StrCat(std::string(NameOf(decision.site)), " actor ", decision.actor,
                                  " count ", decision.count);
  if (decision.value != 1 || !ValueNames(decision.site).empty()) {
    absl::StrAppend(&text, ": ", ValueText(decision.site, decision.value));
  }
  return text;
}

std::string ValueText(Site site, int64_t value) {
  if (IsBits(site)) return absl::StrFormat("x%016x", static_cast<uint64_t>(value));
  const std::span<const string_view> names = ValueNames(site);
  if (value >= 0 && static_cast<uint64_t>(value) < names.size()) {
    return std::string(names[static_cast<size_t>(value)]);
  }
  return absl::StrCat(value);
}

std::optional<int64_t> ParseValue(Site site, string_view text) {
  const std::span<const string_view> names = ValueNames(site);
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == text) return static_cast<int64_t>(i);
  }
  if (!names.empty()) return std::nullopt;
  if (IsBits(site)) {
    uint64_t bits = 0;
    if (!text.starts_with('x') || text.size() > 17 ||
        !absl::SimpleHexAtoi(std::string(text.substr(1)), &bits)) {
      return std::nullopt;
    }
    return static_cast<int64_t>(bits);
  }
  int64_t value = 0;
  if (!absl::SimpleAtoi(std::string(text), &value)) return std::nullopt;
  return value;
}

}  // namespace tidemark::sim
