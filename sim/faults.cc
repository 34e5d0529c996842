#include "sim/faults.h"

#include <array>
#include <optional>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {
namespace {

constexpr uint32_t kStream = 0;

}  // namespace

void Faults::Start() {
  Tick();
  if (world_->scenario().rot_gap > Duration()) RotTick();
}

void Faults::RotTick() {
  if (stopped_) return;
  const Place at(Site::kRotGap, rot_ordinal_, kStream);
  const Duration gap =
      world_->decisions().Between(at, Duration::Millis(1), world_->scenario().rot_gap * 2);
  world_->scheduler().After(gap, [this] {
    if (stopped_) return;
    world_->RotUnderFaults(Place(Site::kRotNode, rot_ordinal_, kStream));
    ++rot_ordinal_;
    RotTick();
  });
}

void Faults::Tick() {
  if (stopped_) return;
  const Duration mean = world_->scenario().fault_gap;
  world_->scheduler().After(
      world_->decisions().Between(At(Site::kFaultGap), Duration::Millis(1), mean * 2), [this] {
        if (stopped_) return;
        InjectOne();
        ++ordinal_;
        Tick();
      });
}

Place Faults::At(Site site) const { return Place(site, ordinal_, kStream); }

uint64_t Faults::Pick(Site site, uint64_t bound) {
  return world_->decisions().Below(At(site), bound);
}

size_t Faults::Target() {
  if (world_->decisions().Percent(At(Site::kFaultAtLeader),
                                  world_->scenario().weights.at_leader_percent)) {
    if (const std::optional<size_t> leader = world_->SomeLeader()) return *leader;
  }
  return Pick(Site::kFaultTarget, world_->nodes());
}

Duration Faults::Length() {
  return world_->decisions().Between(At(Site::kFaultLength), Duration::Millis(2),
                                     world_->scenario().down_max);
}

void Faults::InjectOne() {
  const Scenario::Weights& weights = world_->scenario().weights;
  // In the order of ValueNames(Site::kFaultKind).
  const std::array<uint32_t, 14> kinds = {0,
                                          weights.power_loss,
                                          weights.process_kill,
                                          weights.cluster_power_loss,
                                          weights.graceful_restart,
                                          weights.pause,
                                          weights.partition,
                                          weights.link_break,
                                          weights.disk_full,
                                          weights.wall_clock,
                                          weights.disk_hang,
                                          weights.link_slow,
                                          weights.half_open,
                                          weights.disk_wiped};
  const size_t kind = world_->decisions().Weighted(At(Site::kFaultKind), kinds);
  world_->story().SetTime(world_->now());
  switch (kind) {
    case 0:
      break;
    case 1: {
      const size_t node = Target();
      world_->CrashByPowerLoss(node, Length());
      break;
    }
    case 2: {
      const size_t node = Target();
      world_->CrashByKill(node, Length());
      break;
    }
    case 3:
      world_->coverage().Hit(Probe::kClusterPowerLoss);
      for (size_t node = 0; node < world_->nodes(); ++node) {
        world_->CrashByPowerLoss(node, Length());
      }
      break;
    case 4: {
      const size_t node = Target();
      world_->ShutDown(node, Length());
      break;
    }
    case 5: {
      const size_t node = Target();
      world_->Pause(node, Length());
      break;
    }
    case 6:
      Partition();
      break;
    case 7:
    case 11:
    case 12:
      OneLink(kind);
      break;
    case 8: {
      const size_t node = Target();
      world_->SetDiskFull(node, true);
      world_->scheduler().After(Length(), [this, node] { world_->SetDiskFull(node, false); });
      break;
    }
    case 10: {
      const size_t node = Target();
      world_->HangDisk(node, Length());
      break;
    }
    case 13: {
      const size_t node = Target();
      world_->WipeDisk(node, Length());
      break;
    }
    default: {
      // One draw a statement: compilers evaluate arguments in different orders.
      const size_t node = Target();
      world_->SetWallClock(node,
                           world_->decisions().Between(At(Site::kWallClock), -100'000, 100'000));
      break;
    }
  }
}

void Faults::OneLink(size_t kind) {
  const size_t from = Target();
  const size_t to = Pick(Site::kLinkOther, world_->nodes());
  const bool breaks = kind == 7;
  const bool late = kind == 11;
  world_->coverage().Hit(breaks ? Probe::kLinkBroken
                         : late ? Probe::kLinkSlow
                                : Probe::kLinkHalfOpen);
  world_->story().Tell("the connection ", world_->id(from).value(), " -> ", world_->id(to).value(),
                       breaks ? " breaks"
                       : late ? " is slow"
                              : " is half open");
  if (from == to) return;
  if (breaks) {
    world_->BreakLink(from, to);
    return;
  }
  const Duration length = Length();
  if (late) {
    world_->SlowLink(from, to,
                     world_->decisions().Between(At(Site::kLinkDelay), Duration::Millis(1),
                                                 world_->scenario().election_timeout * 4),
                     length * 2);
    return;
  }
  world_->HalfOpenLink(from, to, length);
}

void Faults::Partition() {
  const size_t nodes = world_->nodes();
  if (nodes < 2) return;
  const size_t target = Target();
  std::string cut;
  const auto block = [&](size_t from, size_t to) {
    if (from == to) return;
    world_->BlockLink(from, to);
    absl::StrAppend(&cut, " ", world_->id(from).value(), "->", world_->id(to).value());
  };
  constexpr uint32_t kEqual[] = {1, 1, 1, 1};
  // In the order of ValueNames(Site::kPartitionKind).
  switch (world_->decisions().Weighted(At(Site::kPartitionKind), kEqual)) {
    case 0: {  // two sides
      world_->coverage().Hit(Probe::kPartitionSplit);
      const uint64_t side = 1 + Pick(Site::kPartitionSide, (uint64_t{1} << nodes) - 2);
      for (size_t a = 0; a < nodes; ++a) {
        for (size_t b = 0; b < nodes; ++b) {
          if ((side >> a & 1) != (side >> b & 1)) block(a, b);
        }
      }
      break;
    }
    case 1:  // one node alone
      world_->coverage().Hit(Probe::kPartitionIsolated);
      for (size_t other = 0; other < nodes; ++other) {
        block(target, other);
        block(other, target);
      }
      break;
    case 2: {  // one node deaf, or mute
      world_->coverage().Hit(Probe::kPartitionOneWay);
      const bool deaf = world_->decisions().Percent(At(Site::kPartitionDeaf), 50);
      for (size_t other = 0; other < nodes; ++other) {
        if (deaf) {
          block(other, target);
        } else {
          block(target, other);
        }
      }
      break;
    }
    default: {  // two nodes that do not hear each other
      world_->coverage().Hit(Probe::kPartitionPair);
      const size_t other = Pick(Site::kPartitionOther, nodes);
      block(target, other);
      block(other, target);
      break;
    }
  }
  world_->story().Tell("partition:", cut);
  world_->scheduler().After(Length() * 2, [this] {
    world_->story().SetTime(world_->now());
    world_->story().Tell("the network heals");
    world_->HealNetwork();
  });
}

}  // namespace tidemark::sim
