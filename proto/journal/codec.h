#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/node/effect.h"
#include "engine/node/event.h"
#include "engine/node/node.h"
#include "proto/journal/archive.h"
#include "proto/journal/frame.h"

// What is in a journal's frames: JOURNAL.md section 4. Pure. The Append functions add whole frames,
// unsealed (frame.h); the Decode functions take their bodies and refuse with kInvalidArgument what
// no Append writes.

namespace tidemark::journal {

// By index of the variant; JOURNAL.md lists the numbers. One that is inserted, not added at the
// end, raises kFormatVersion, as a field of the options does.
inline constexpr std::array<std::string_view, 13> kEventNames = {
    "PeerReceived",    "PeerLink",         "DatagramReceived", "GossipStreamReceived",
    "RequestReceived", "RequestCancelled", "IoDone",           "ReadDone",
    "GroupReopened",   "TimerFired",       "DiskSpace",        "ShutdownRequested",
    "DamageFound"};
static_assert(kEventNames.size() == std::variant_size_v<Event>,
              "an event was added: write it in AppendEvent, read it in DecodeEvent");

inline constexpr std::array<std::string_view, 10> kEffectNames = {
    "SendPeer",  "SetPeerAddress", "SendDatagram", "SendGossipStream", "Reply", "Flush",
    "ReadRange", "ReopenGroup",    "Note",         "ShutdownComplete"};
static_assert(kEffectNames.size() == std::variant_size_v<Effect>,
              "an effect was added: digest it in MarkOf");

// What a node is made of, besides its files.
struct Begin {
  NodeOptions options;
  Now now;
  uint64_t seed = 0;     // of its generator
  std::string recorder;  // the version that recorded
};

// How GroupReopened came about: RecoverGroupAgain with these, on the files written before it.
struct Reopening {
  GroupId group;
  LogIndex committed;
};

// A GroupReopened with the files that were read for it (RecordingView::Encode).
struct ReopenRecord {
  Reopening reopening;
  std::string files;
};

// One effect without its contents: kind and CRC-32C.
struct EffectMark {
  uint8_t kind = 0;  // index in Effect
  uint32_t digest = 0;
  friend bool operator==(const EffectMark&, const EffectMark&) = default;
};

struct StepMark {
  Now now;
  uint32_t events = 0;  // told in it
};

struct EffectsMark {
  std::vector<EffectMark> effects;
  Instant next_deadline;
};

struct DecodedEvent {
  // A GroupReopened that succeeded has no state yet: `reopening` says where it comes from.
  Event event;
  std::optional<Reopening> reopening;
};

void AppendBegin(std::string& out, const Begin& begin);
// `reopening` goes with GroupReopened and is not looked at otherwise.
//   Checks  dies without it for a GroupReopened that succeeded.
void AppendEvent(std::string& out, const Event& event, const std::optional<Reopening>& reopening);
// After the events it told.
void AppendStep(std::string& out, const StepMark& step);
// Both, with the files of what was reopened: before Node::Step, so that a step that never ends is
// in the journal. `reopened` has an element for each event, or none at all.
void AppendTold(std::string& out, Now now, std::span<const Event> events,
                std::span<const std::unique_ptr<ReopenRecord>> reopened);
void AppendEffects(std::string& out, std::span<const Effect> effects, Instant next_deadline);
void AppendEnd(std::string& out, std::string_view why);

absl::StatusOr<Begin> DecodeBegin(const Bytes& body);
absl::StatusOr<DecodedEvent> DecodeEvent(const Bytes& body);
absl::StatusOr<StepMark> DecodeStep(const Bytes& body);
absl::StatusOr<EffectsMark> DecodeEffects(const Bytes& body);
absl::StatusOr<std::string> DecodeEnd(const Bytes& body);

EffectMark MarkOf(const Effect& effect);

void WriteStatus(Writer& writer, const absl::Status& status);
absl::Status ReadStatus(Reader& reader);

}  // namespace tidemark::journal
