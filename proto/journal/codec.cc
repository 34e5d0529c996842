#include "proto/journal/codec.h"

#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "proto/journal/fields.h"
#include "proto/peer_convert.h"

namespace tidemark::journal {
namespace {

constexpr int kStatusCodeMax = static_cast<int>(absl::StatusCode::kUnauthenticated);

absl::Status Malformed(const char* what) {
  return absl::InvalidArgumentError(
      absl::StrCat("the journal has ", what, " that no version of this format writes"));
}

// In the form of proto/peer_convert.h, with its length in front.
void WritePeer(Writer& writer, const PeerMessage& message) {
  std::string bytes;
  for (const Bytes& part : EncodePeer(message)) bytes.append(part.view());
  writer.Text(bytes);
}

struct EventWriter {
  Writer& writer;
  const std::optional<Reopening>& reopening;

  void operator()(const PeerReceived& e) const {
    All(writer, e.from);
    WritePeer(writer, e.message);
  }
  void operator()(const PeerLink& e) const { All(writer, e.peer, e.up); }
  void operator()(const DatagramReceived& e) const { All(writer, e.from, e.bytes); }
  void operator()(const GossipStreamReceived& e) const { All(writer, e.bytes); }
  void operator()(const RequestReceived& e) const {
    const uint8_t kind = static_cast<uint8_t>(e.request.index());
    All(writer, e.id, e.principal, kind);
    std::visit([&](const auto& request) { All(writer, request); }, e.request);
  }
  void operator()(const RequestCancelled& e) const { All(writer, e.id); }
  void operator()(const IoDone& e) const {
    All(writer, e.token);
    WriteStatus(writer, e.status);
  }
  void operator()(const ReadDone& e) const {
    All(writer, e.token);
    WriteStatus(writer, e.bytes.status());
    if (e.bytes.ok()) All(writer, *e.bytes);
  }
  void operator()(const GroupReopened& e) const {
    All(writer, e.token);
    WriteStatus(writer, e.recovered.status());
    if (!e.recovered.ok()) return;
    TIDEMARK_CHECK(reopening.has_value());
    All(writer, reopening->group, reopening->committed);
  }
  void operator()(const TimerFired&) const {}
  void operator()(const DiskSpace& e) const { All(writer, e.free_bytes, e.total_bytes); }
  void operator()(const ShutdownRequested&) const {}
  void operator()(const DamageFound& e) const { All(writer, e.file); }
};

template <typename R>
R ReadOne(Reader& reader) {
  R value;
  All(reader, value);
  return value;
}

template <size_t kIndex = 0>
void ReadRequest(Reader& reader, uint8_t kind, Request& request) {
  if constexpr (kIndex < std::variant_size_v<Request>) {
    if (kind == kIndex) {
      request = ReadOne<std::variant_alternative_t<kIndex, Request>>(reader);
    } else {
      ReadRequest<kIndex + 1>(reader, kind, request);
    }
  } else {
    reader.Fail();
  }
}

void ReadEvent(Reader& reader, PeerReceived& e, std::optional<Reopening>&) {
  All(reader, e.from);
  absl::StatusOr<PeerMessage> message = DecodePeer(reader.Shared());
  if (message.ok()) {
    e.message = *std::move(message);
  } else {
    reader.Fail();
  }
}
void ReadEvent(Reader& reader, PeerLink& e, std::optional<Reopening>&) {
  All(reader, e.peer, e.up);
}
void ReadEvent(Reader& reader, DatagramReceived& e, std::optional<Reopening>&) {
  All(reader, e.from, e.bytes);
}
void ReadEvent(Reader& reader, GossipStreamReceived& e, std::optional<Reopening>&) {
  All(reader, e.bytes);
}
void ReadEvent(Reader& reader, RequestReceived& e, std::optional<Reopening>&) {
  uint8_t kind = 0;
  All(reader, e.id, e.principal, kind);
  ReadRequest(reader, kind, e.request);
}
void ReadEvent(Reader& reader, RequestCancelled& e, std::optional<Reopening>&) {
  All(reader, e.id);
}
void ReadEvent(Reader& reader, IoDone& e, std::optional<Reopening>&) {
  All(reader, e.token);
  e.status = ReadStatus(reader);
}
void ReadEvent(Reader& reader, ReadDone& e, std::optional<Reopening>&) {
  All(reader, e.token);
  const absl::Status status = ReadStatus(reader);
  if (status.ok()) {
    e.bytes = reader.Shared();
  } else {
    e.bytes = status;
  }
}
void ReadEvent(Reader& reader, GroupReopened& e, std::optional<Reopening>& reopening) {
  All(reader, e.token);
  const absl::Status status = ReadStatus(reader);
  if (status.ok()) {
    e.recovered = std::shared_ptr<RecoveredGroup>();
    reopening.emplace();
    All(reader, reopening->group, reopening->committed);
  } else {
    e.recovered = status;
  }
}
void ReadEvent(Reader&, TimerFired&, std::optional<Reopening>&) {}
void ReadEvent(Reader& reader, DiskSpace& e, std::optional<Reopening>&) {
  All(reader, e.free_bytes, e.total_bytes);
}
void ReadEvent(Reader&, ShutdownRequested&, std::optional<Reopening>&) {}
void ReadEvent(Reader& reader, DamageFound& e, std::optional<Reopening>&) { All(reader, e.file); }

template <size_t kIndex = 0>
void ReadAnyEvent(Reader& reader, uint8_t kind, DecodedEvent& to) {
  if constexpr (kIndex < std::variant_size_v<Event>) {
    if (kind == kIndex) {
      std::variant_alternative_t<kIndex, Event> event;
      ReadEvent(reader, event, to.reopening);
      to.event = std::move(event);
    } else {
      ReadAnyEvent<kIndex + 1>(reader, kind, to);
    }
  } else {
    reader.Fail();
  }
}

struct EffectDigester {
  Digester& digest;

  void operator()(const SendPeer& e) const {
    All(digest, e.to);
    const std::vector<Bytes> parts = EncodePeer(e.message);
    digest.Passing(parts.front().view());
    for (size_t i = 1; i < parts.size(); ++i) digest.Raw(parts[i].view());
  }
  void operator()(const Reply& e) const {
    const uint64_t kind = e.response.index();
    All(digest, e.id, kind);
    std::visit([&](const auto& response) { All(digest, response); }, e.response);
  }
  void operator()(const Flush& e) const {
    All(digest, e.token, e.group, e.batch.sync);
    for (const FileOp& op : e.batch.ops) {
      const uint64_t kind = op.index();
      All(digest, kind);
      std::visit([&](const auto& each) { All(digest, each); }, op);
    }
  }
  void operator()(const Note& e) const {
    All(digest, e.level, e.event);
    for (const auto& [key, value] : e.fields) All(digest, key, value);
  }
  void operator()(const ShutdownComplete&) const {}
  template <typename E>
  void operator()(const E& e) const {
    All(digest, e);
  }
};

EffectMark MarkWith(Digester& digester, const Effect& effect) {
  std::visit(EffectDigester{digester}, effect);
  return {.kind = static_cast<uint8_t>(effect.index()), .digest = digester.Take()};
}

// Options from a file must not get to checks that hold for options from a command line.
bool Plausible(const NodeOptions& options) {
  return options.log.segment_bytes <= kSegmentBytesMax && options.gossip_speed >= 1 &&
         options.id != kNoNode && options.heartbeat_interval > Duration() &&
         options.election_timeout < Duration::Seconds(1 << 20) &&
         options.voters.size() <= kReplicasMax;
}

}  // namespace

void WriteStatus(Writer& writer, const absl::Status& status) {
  writer.Number(static_cast<int>(status.code()));
  if (!status.ok()) writer.Text(std::string_view(status.message().data(), status.message().size()));
}

absl::Status ReadStatus(Reader& reader) {
  const int64_t code = reader.Number();
  if (code == 0) return absl::OkStatus();
  const std::string message(reader.Text());
  if (code < 0 || code > kStatusCodeMax) {
    reader.Fail();
    return absl::UnknownError("");
  }
  return absl::Status(static_cast<absl::StatusCode>(code), message);
}

void AppendBegin(std::string& out, const Begin& begin) {
  const size_t frame = BeginFrame(out, FrameKind::kBegin);
  Writer writer(out);
  All(writer, begin.recorder, begin.seed, begin.now.instant, begin.now.wall, begin.options);
  EndFrame(out, frame);
}

absl::StatusOr<Begin> DecodeBegin(const Bytes& body) {
  Reader reader(body);
  Begin begin;
  All(reader, begin.recorder, begin.seed, begin.now.instant, begin.now.wall, begin.options);
  if (!reader.done() || !Plausible(begin.options)) return Malformed("a beginning");
  return begin;
}

void AppendEvent(std::string& out, const Event& event, const std::optional<Reopening>& reopening) {
  const size_t frame = BeginFrame(out, FrameKind::kEvent);
  Writer writer(out);
  const uint8_t kind = static_cast<uint8_t>(event.index());
  All(writer, kind);
  std::visit(EventWriter{writer, reopening}, event);
  EndFrame(out, frame);
}

absl::StatusOr<DecodedEvent> DecodeEvent(const Bytes& body) {
  Reader reader(body);
  uint8_t kind = 0;
  All(reader, kind);
  DecodedEvent decoded{.event = TimerFired{}, .reopening = std::nullopt};
  ReadAnyEvent(reader, kind, decoded);
  if (!reader.done()) return Malformed("an event");
  return decoded;
}

void AppendStep(std::string& out, const StepMark& step) {
  const size_t frame = BeginFrame(out, FrameKind::kStep);
  Writer writer(out);
  All(writer, step.now.instant, step.now.wall, step.events);
  EndFrame(out, frame);
}

void AppendTold(std::string& out, Now now, std::span<const Event> events,
                std::span<const std::unique_ptr<ReopenRecord>> reopened) {
  for (size_t i = 0; i < events.size(); ++i) {
    std::optional<Reopening> reopening;
    if (i < reopened.size() && reopened[i] != nullptr) {
      out.append(reopened[i]->files);
      reopening = reopened[i]->reopening;
    }
    AppendEvent(out, events[i], reopening);
  }
  AppendStep(out, {.now = now, .events = static_cast<uint32_t>(events.size())});
}

absl::StatusOr<StepMark> DecodeStep(const Bytes& body) {
  Reader reader(body);
  StepMark step;
  All(reader, step.now.instant, step.now.wall, step.events);
  if (!reader.done()) return Malformed("a step");
  return step;
}

void AppendEffects(std::string& out, std::span<const Effect> effects, Instant next_deadline) {
  const size_t frame = BeginFrame(out, FrameKind::kEffects);
  Writer writer(out);
  writer.Number(next_deadline.nanos());
  Digester digester;
  for (const Effect& effect : effects) {
    const EffectMark mark = MarkWith(digester, effect);
    out.push_back(static_cast<char>(mark.kind));
    AppendLittle(out, mark.digest);
  }
  EndFrame(out, frame);
}

absl::StatusOr<EffectsMark> DecodeEffects(const Bytes& body) {
  constexpr size_t kMarkBytes = 5;
  std::string_view rest = body.view();
  int64_t nanos = 0;
  if (!ConsumeVarint(rest, nanos) || rest.size() % kMarkBytes != 0) return Malformed("effects");
  EffectsMark mark{.effects = {}, .next_deadline = Instant::FromNanos(nanos)};
  mark.effects.reserve(rest.size() / kMarkBytes);
  for (; !rest.empty(); rest.remove_prefix(kMarkBytes)) {
    const uint8_t kind = static_cast<uint8_t>(rest.front());
    if (kind >= std::variant_size_v<Effect>) return Malformed("effects");
    mark.effects.push_back({.kind = kind, .digest = LoadLittle<uint32_t>(rest.data() + 1)});
  }
  return mark;
}

void AppendEnd(std::string& out, std::string_view why) {
  const size_t frame = BeginFrame(out, FrameKind::kEnd);
  out.append(why);
  EndFrame(out, frame);
}

absl::StatusOr<std::string> DecodeEnd(const Bytes& body) { return std::string(body.view()); }

EffectMark MarkOf(const Effect& effect) {
  Digester digester;
  return MarkWith(digester, effect);
}

}  // namespace tidemark::journal
