#include "proto/journal/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/log/batch.h"
#include "engine/node/recovered_group.h"
#include "proto/journal/fields.h"
#include "proto/peer_convert.h"

namespace tidemark::journal {
namespace {

// The body of the one frame in `frames`.
Bytes BodyOf(const std::string& frames) {
  std::string sealed = frames;
  uint32_t chain = 0;
  Seal(sealed, chain);
  FrameReader reader;
  RC_ASSERT(reader.Open(Bytes::From(EncodeFileHeader({}) + sealed)).ok());
  const auto frame = reader.Next();
  RC_ASSERT(frame.ok() && frame->has_value());
  return (*frame)->body;
}

std::string TextOf(size_t bytes_max) {
  const auto size = *rc::gen::inRange<size_t>(0, bytes_max);
  return *rc::gen::container<std::string>(size, rc::gen::arbitrary<char>());
}
uint64_t AnyNumber() { return *rc::gen::arbitrary<uint64_t>(); }
uint64_t SmallNumber() { return *rc::gen::inRange<uint64_t>(1, 1'000'000); }

absl::Status AnyStatus() {
  const int code = *rc::gen::inRange(0, 17);
  return code == 0 ? absl::OkStatus()
                   : absl::Status(static_cast<absl::StatusCode>(code), TextOf(40));
}

PeerMessage AnyMessage() {
  PeerMessage message{.group = GroupId(SmallNumber()), .message = {}};
  message.message.from = NodeId(SmallNumber());
  message.message.to = NodeId(SmallNumber());
  message.message.term = Term(SmallNumber());
  if (*rc::gen::arbitrary<bool>()) {
    message.message.body = raft::AppendReply{.success = *rc::gen::arbitrary<bool>(),
                                             .match = LogIndex(SmallNumber()),
                                             .sequence = SmallNumber()};
  } else {
    message.message.body = raft::VoteRequest{.pre_vote = *rc::gen::arbitrary<bool>(),
                                             .last_index = LogIndex(SmallNumber()),
                                             .last_term = Term(SmallNumber())};
  }
  return message;
}

Endpoint AnyEndpoint() {
  return {.host = TextOf(20), .port = static_cast<uint16_t>(*rc::gen::inRange(0, 65536))};
}

Request AnyRequest(size_t kind) {
  static_assert(std::variant_size_v<Request> == 13, "a request was added: make one here");
  switch (kind) {
    case 0:
      return ProduceRequest{
          .topic = TextOf(30), .partition = PartitionId(7), .batch = TextOf(3000)};
    case 1:
      return FetchRequest{.topic = TextOf(30),
                          .partition = PartitionId(*rc::gen::arbitrary<uint32_t>()),
                          .start = FetchRequest::Start(*rc::gen::inRange(0, 4)),
                          .offset = Offset(AnyNumber()),
                          .append_time = WallTime::FromMillis(*rc::gen::arbitrary<int64_t>()),
                          .max_bytes = *rc::gen::arbitrary<uint32_t>(),
                          .wait = *rc::gen::arbitrary<bool>(),
                          .consistency = Consistency(*rc::gen::inRange(0, 3)),
                          .max_staleness = Duration::Nanos(*rc::gen::arbitrary<int64_t>())};
    case 2:
      return CreateTopicRequest{.name = TextOf(30),
                                .partitions = 3,
                                .replication_factor = *rc::gen::arbitrary<uint32_t>(),
                                .segment_bytes = AnyNumber(),
                                .retention_bytes = AnyNumber(),
                                .retention_ms = AnyNumber(),
                                .cleanup = {.policy = Cleanup(*rc::gen::inRange(0, 3)),
                                            .min_compaction_lag_ms = AnyNumber(),
                                            .tombstone_retention_ms = AnyNumber()}};
    case 3:
      return DeleteTopicRequest{TextOf(30)};
    case 4:
      return ListTopicsRequest{};
    case 5:
      return DescribeTopicRequest{TextOf(30)};
    case 6:
      return GetServersRequest{};
    case 7:
      return GetStatusRequest{};
    case 8:
      return GetMembersRequest{};
    case 9:
      return AddMemberRequest{NodeId(AnyNumber())};
    case 10:
      return RemoveMemberRequest{NodeId(AnyNumber())};
    case 11:
      return MovePartitionRequest{.topic = TextOf(30),
                                  .partition = PartitionId(*rc::gen::arbitrary<uint32_t>()),
                                  .replicas = {NodeId(SmallNumber()), NodeId(SmallNumber())}};
    default:
      return TransferLeadershipRequest{.topic = TextOf(30),
                                       .partition = PartitionId(*rc::gen::arbitrary<uint32_t>()),
                                       .to = NodeId(AnyNumber())};
  }
}

// An event of each kind; the codec has a static_assert that there are no more.
Event AnyEvent(size_t kind) {
  switch (kind) {
    case 0:
      return PeerReceived{NodeId(SmallNumber()), AnyMessage()};
    case 1:
      return PeerLink{NodeId(AnyNumber()), *rc::gen::arbitrary<bool>()};
    case 2:
      return DatagramReceived{AnyEndpoint(), Bytes::Copy(TextOf(300))};
    case 3:
      return GossipStreamReceived{Bytes::Copy(TextOf(3000))};
    case 4:
      return RequestReceived{RequestId(AnyNumber()), TextOf(50),
                             AnyRequest(*rc::gen::inRange<size_t>(0, 13))};
    case 5:
      return RequestCancelled{RequestId(AnyNumber())};
    case 6:
      return IoDone{IoToken(AnyNumber()), AnyStatus()};
    case 7: {
      const absl::Status status = AnyStatus();
      if (!status.ok()) return ReadDone{IoToken(AnyNumber()), status};
      return ReadDone{IoToken(AnyNumber()), Bytes::Copy(TextOf(3000))};
    }
    case 8: {
      const absl::Status status = AnyStatus();
      if (!status.ok()) return GroupReopened{IoToken(AnyNumber()), status};
      return GroupReopened{IoToken(AnyNumber()), std::shared_ptr<RecoveredGroup>()};
    }
    case 9:
      return TimerFired{};
    case 10:
      return DiskSpace{.free_bytes = AnyNumber(), .total_bytes = AnyNumber()};
    case 11:
      return ShutdownRequested{};
    default:
      return DamageFound{
          {.group = GroupId(AnyNumber()), .kind = FileKind::kSegment, .number = AnyNumber()}};
  }
}

RC_GTEST_PROP(JournalCodec, EveryKindOfEventComesBackAsItWas, ()) {
  for (size_t kind = 0; kind < kEventNames.size(); ++kind) {
    const Event event = AnyEvent(kind);
    RC_ASSERT(event.index() == kind);
    const Reopening reopening{.group = GroupId(AnyNumber()), .committed = LogIndex(AnyNumber())};
    std::string frames;
    AppendEvent(frames, event, reopening);
    const absl::StatusOr<DecodedEvent> back = DecodeEvent(BodyOf(frames));
    RC_ASSERT(back.ok());
    RC_ASSERT(back->event.index() == kind);
    std::string again;
    AppendEvent(again, back->event, back->reopening);
    RC_ASSERT(frames == again);
  }
}

RC_GTEST_PROP(JournalCodec, NoPrefixOfAnEventIsAnEvent, ()) {
  std::string frames;
  AppendEvent(frames, AnyEvent(*rc::gen::inRange<size_t>(0, kEventNames.size())),
              Reopening{.group = GroupId(1), .committed = LogIndex(1)});
  const Bytes body = BodyOf(frames);
  RC_PRE(!body.empty());
  const size_t cut = *rc::gen::inRange<size_t>(0, body.size());
  RC_ASSERT(!DecodeEvent(body.Slice(0, cut)).ok());
}

RC_GTEST_PROP(JournalCodec, ArbitraryBytesAreRefusedOrWrittenAgainTheSame, (std::string bytes)) {
  const absl::StatusOr<DecodedEvent> event = DecodeEvent(Bytes::Copy(bytes));
  if (event.ok()) {
    std::string again;
    AppendEvent(again, event->event, event->reopening);
    RC_ASSERT(DecodeEvent(BodyOf(again)).ok());
  }
  (void)DecodeBegin(Bytes::Copy(bytes));
  (void)DecodeStep(Bytes::Copy(bytes));
  (void)DecodeEffects(Bytes::Copy(bytes));
}

TEST(JournalCodec, EntriesOfAnAppendComeBackByteForByte) {
  raft::AppendRequest append{.prev_index = LogIndex(4), .prev_term = Term(2)};
  for (uint64_t i = 5; i < 8; ++i) {
    const std::string frame = EncodeControlFrame(std::string(i, 'x'));
    append.entries.push_back(*EntryOf(LogIndex(i), Bytes::Copy(frame)));
  }
  const EntryList entries = append.entries;
  PeerMessage message{.group = GroupId(1), .message = {}};
  message.message.from = NodeId(1);
  message.message.to = NodeId(2);
  message.message.term = Term(3);
  message.message.body = std::move(append);
  std::string frames;
  AppendEvent(frames, PeerReceived{NodeId(1), message}, std::nullopt);
  const DecodedEvent back = *DecodeEvent(BodyOf(frames));
  const auto& body =
      std::get<raft::AppendRequest>(std::get<PeerReceived>(back.event).message.message.body);
  ASSERT_EQ(body.entries.size(), entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(body.entries[i].frame.view(), entries[i].frame.view());
    EXPECT_EQ(body.entries[i].index, entries[i].index);
  }
}

NodeOptions SomeOptions() {
  NodeOptions options;
  options.id = NodeId(3);
  options.cluster_id = "c";
  options.advertise = {.host = "10.0.0.1", .port = 7};
  options.voters = {NodeId(1), NodeId(3)};
  options.seeds = {{.host = "a.example", .port = 1}};
  options.version = "v";
  options.tags = {{"zone", "a"}};
  options.acl_model = "model";
  options.acl_policy = "policy";
  options.gossip_keys = {std::string("k\0ey", 4)};
  options.log.segment_bytes = 1 << 20;
  options.scrub = {.bytes_per_second = 5, .pause = Duration::Seconds(6)};
  options.pre_vote = false;
  options.lease_reads = true;
  options.lease_drift_permille = 7;
  options.disk_headroom_bytes = 99;
  return options;
}

TEST(JournalCodec, TheBeginningComesBackAsItWas) {
  const Begin begin{.options = SomeOptions(),
                    .now = {.instant = Instant::FromNanos(-5), .wall = WallTime::FromMillis(6)},
                    .seed = UINT64_MAX,
                    .recorder = "1.2.3"};
  std::string frames;
  AppendBegin(frames, begin);
  const absl::StatusOr<Begin> back = DecodeBegin(BodyOf(frames));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->seed, UINT64_MAX);
  EXPECT_EQ(back->now.instant.nanos(), -5);
  EXPECT_EQ(back->options.gossip_keys, begin.options.gossip_keys);
  EXPECT_EQ(back->options.tags, begin.options.tags);
  std::string again;
  AppendBegin(again, *back);
  EXPECT_EQ(frames, again);
}

TEST(JournalCodec, OptionsThatTheEngineWouldDieOfAreRefused) {
  const auto refused = [](const NodeOptions& options) {
    std::string frames;
    AppendBegin(frames, {.options = options, .now = {}, .seed = 1, .recorder = ""});
    return !DecodeBegin(BodyOf(frames)).ok();
  };
  EXPECT_FALSE(refused(SomeOptions()));
  NodeOptions options = SomeOptions();
  options.log.segment_bytes = UINT64_MAX;
  EXPECT_TRUE(refused(options));
  options = SomeOptions();
  options.gossip_speed = 0;
  EXPECT_TRUE(refused(options));
}

TEST(JournalCodec, EffectsComeBackAsMarksWithTheDeadline) {
  Effects effects;
  effects.push_back(ReadRange{.token = IoToken(1), .file = {}, .pos = FilePos(2), .length = 3});
  effects.push_back(ShutdownComplete{});
  std::string frames;
  AppendEffects(frames, effects, Instant::Never());
  const absl::StatusOr<EffectsMark> back = DecodeEffects(BodyOf(frames));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->next_deadline, Instant::Never());
  ASSERT_EQ(back->effects.size(), 2u);
  EXPECT_EQ(back->effects[0], MarkOf(effects[0]));
  EXPECT_EQ(kEffectNames[back->effects[1].kind], "ShutdownComplete");
}

TEST(JournalCodec, EveryFieldOfAnEffectChangesItsDigest) {
  const Flush flush{.token = IoToken(1),
                    .group = GroupId(2),
                    .batch = {.ops = {WriteFile{.file = {.group = GroupId(2)},
                                                .pos = FilePos(3),
                                                .data = {Bytes::Copy(std::string(1000, 'x'))}}},
                              .sync = {{.group = GroupId(2)}}}};
  const EffectMark mark = MarkOf(flush);
  const auto differs = [&](auto change) {
    Flush other = flush;
    change(other);
    return MarkOf(other).digest != mark.digest;
  };
  EXPECT_TRUE(differs([](Flush& f) { f.token = IoToken(9); }));
  EXPECT_TRUE(differs([](Flush& f) { f.group = GroupId(9); }));
  EXPECT_TRUE(differs([](Flush& f) { f.batch.sync.clear(); }));
  EXPECT_TRUE(differs([](Flush& f) { f.batch.ops.push_back(RemoveFile{}); }));
  EXPECT_TRUE(differs([](Flush& f) { f.batch.ops = {RemoveFile{.file = {.group = GroupId(2)}}}; }));
  EXPECT_TRUE(differs([](Flush& f) {
    std::get<WriteFile>(f.batch.ops[0]).data = {Bytes::Copy(std::string(999, 'x') + "y")};
  }));
  EXPECT_TRUE(differs([](Flush& f) { std::get<WriteFile>(f.batch.ops[0]).pos = FilePos(4); }));
  const Reply produced{RequestId(1), ProduceResponse{.base_offset = Offset(1)}};
  EXPECT_NE(MarkOf(produced).digest,
            MarkOf(Reply{RequestId(1), ProduceResponse{.base_offset = Offset(2)}}).digest);
  EXPECT_NE(MarkOf(Reply{RequestId(1), ListTopicsResponse{}}).digest,
            MarkOf(Reply{RequestId(1), GetServersResponse{}}).digest);
  EXPECT_NE(MarkOf(Note{.event = "a", .fields = {{"k", "v"}}}).digest,
            MarkOf(Note{.event = "a", .fields = {{"k", "w"}}}).digest);
}

TEST(JournalCodec, EffectsThatShareBytesHaveTheDigestsTheyHaveAlone) {
  Effects effects;
  std::vector<Bytes> frames;
  for (size_t i = 0; i < 12; ++i) {
    frames.push_back(Bytes::From(std::string(300 + i % 2, static_cast<char>('a' + i))));
  }
  for (size_t i = 0; i < 40; ++i) {
    effects.push_back(SendDatagram{.to = {}, .bytes = frames[(i * 7) % frames.size()]});
  }
  std::string out;
  AppendEffects(out, effects, Instant());
  const EffectsMark together = *DecodeEffects(BodyOf(out));
  for (size_t i = 0; i < effects.size(); ++i) {
    EXPECT_EQ(together.effects[i], MarkOf(effects[i])) << i;
  }
  EXPECT_NE(together.effects[0].digest, together.effects[1].digest);
}

}  // namespace
}  // namespace tidemark::journal
