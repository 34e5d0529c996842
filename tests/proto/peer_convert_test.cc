#include "proto/peer_convert.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <utility>

#include "engine/base/coding.h"
#include "engine/base/limits.h"
#include "engine/log/batch.h"

namespace tidemark {
namespace {

Entry EntryAt(uint64_t index, const std::string& value) {
  BatchBuilder builder;
  builder.Add(std::nullopt, value, 1000);
  std::string frame = builder.Finish();
  PatchBatch(frame.data(), Offset(index * 10), Term(3));
  absl::StatusOr<Entry> entry = EntryOf(LogIndex(index), Bytes::From(std::move(frame)));
  EXPECT_TRUE(entry.ok()) << entry.status();
  return *entry;
}

PeerMessage AppendWith(uint64_t prev_index, const std::vector<std::string>& values) {
  raft::AppendRequest append{.prev_index = LogIndex(prev_index),
                             .prev_term = Term(2),
                             .commit = LogIndex(prev_index),
                             .entries = {},
                             .all_durable = LogIndex(7),
                             .sequence = 77};
  for (const std::string& value : values) {
    append.entries.push_back(EntryAt(prev_index + 1 + append.entries.size(), value));
  }
  return {.group = GroupId(5),
          .message = {.from = NodeId(1), .to = NodeId(2), .term = Term(3), .body = append}};
}

std::string Join(const std::vector<Bytes>& parts) {
  std::string all;
  for (const Bytes& part : parts) all.append(part.view());
  return all;
}

void ExpectSameHead(const PeerMessage& a, const PeerMessage& b) {
  EXPECT_EQ(a.group, b.group);
  EXPECT_EQ(a.message.from, b.message.from);
  EXPECT_EQ(a.message.to, b.message.to);
  EXPECT_EQ(a.message.term, b.message.term);
  EXPECT_EQ(a.message.body.index(), b.message.body.index());
}

TEST(PeerConvert, AppendKeepsEntriesAsTheBytesTheyAre) {
  const PeerMessage sent = AppendWith(41, {"a", "", std::string(5000, 'x')});
  const std::vector<Bytes> parts = EncodePeer(sent);
  const auto& entries = std::get<raft::AppendRequest>(sent.message.body).entries;
  ASSERT_EQ(parts.size(), 4u);
  EXPECT_EQ(parts[1].data(), entries[0].frame.data()) << "frames are shared, not copied";

  const Bytes frame = Bytes::From(Join(parts));
  const absl::StatusOr<PeerMessage> got = DecodePeer(frame);
  ASSERT_TRUE(got.ok()) << got.status();
  ExpectSameHead(sent, *got);
  const auto& back = std::get<raft::AppendRequest>(got->message.body);
  EXPECT_EQ(back.prev_index, LogIndex(41));
  EXPECT_EQ(back.prev_term, Term(2));
  EXPECT_EQ(back.commit, LogIndex(41));
  EXPECT_EQ(back.all_durable, LogIndex(7));
  EXPECT_EQ(back.sequence, 77u);
  ASSERT_EQ(back.entries.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back.entries[i].index, entries[i].index);
    EXPECT_EQ(back.entries[i].term, entries[i].term);
    EXPECT_EQ(back.entries[i].base_offset, entries[i].base_offset);
    EXPECT_EQ(back.entries[i].frame, entries[i].frame);
    EXPECT_GE(back.entries[i].frame.data(), frame.data()) << "entries are slices of the frame";
    EXPECT_LT(back.entries[i].frame.data(), frame.data() + frame.size());
  }
}

RC_GTEST_PROP(PeerConvert, EverySmallMessageComesBackAsItWas,
              (uint64_t index, uint32_t term, bool flag, bool other, uint64_t sequence)) {
  index &= (uint64_t{1} << 62) - 1;
  term &= 0x7fffffff;
  const std::vector<decltype(raft::Message::body)> bodies = {
      raft::VoteRequest{flag, LogIndex(index), Term(term), other, LogIndex(index), Term(term)},
      raft::VoteReply{flag, other, LogIndex(index), Term(term)},
      raft::AppendReply{flag, LogIndex(index), Term(term), LogIndex(index), sequence, other},
      raft::TimeoutNow{},
      raft::Heartbeat{LogIndex(index), sequence, LogIndex(index), Instant::FromNanos(term), 7,
                      flag},
      raft::HeartbeatReply{sequence, Instant::FromNanos(term), flag, other, LogIndex(index), 9,
                           other},
      raft::ReadIndexRequest{raft::ReadId(sequence)},
      raft::ReadIndexReply{raft::ReadId(sequence),
                           flag ? std::optional(LogIndex(index)) : std::nullopt}};
  for (const auto& body : bodies) {
    const PeerMessage sent{
        .group = GroupId(index),
        .message = {.from = NodeId(7), .to = NodeId(8), .term = Term(term), .body = body}};
    const absl::StatusOr<PeerMessage> got = DecodePeer(Bytes::From(Join(EncodePeer(sent))));
    RC_ASSERT(got.ok());
    RC_ASSERT(got->group == sent.group);
    RC_ASSERT(got->message.term == sent.message.term);
    RC_ASSERT(got->message.body.index() == body.index());
    if (const auto* vote = std::get_if<raft::VoteRequest>(&got->message.body)) {
      RC_ASSERT(vote->pre_vote == flag && vote->leadership_transfer == other);
      RC_ASSERT(vote->last_index == LogIndex(index) && vote->last_term == Term(term));
      RC_ASSERT(vote->commit == LogIndex(index) && vote->commit_term == Term(term));
    }
    if (const auto* vote = std::get_if<raft::VoteReply>(&got->message.body)) {
      RC_ASSERT(vote->pre_vote == flag && vote->granted == other);
      RC_ASSERT(vote->commit == LogIndex(index) && vote->commit_term == Term(term));
    }
    if (const auto* reply = std::get_if<raft::AppendReply>(&got->message.body)) {
      RC_ASSERT(reply->success == flag && reply->match == LogIndex(index));
      RC_ASSERT(reply->hint_term == Term(term) && reply->sequence == sequence);
      RC_ASSERT(reply->no_room == other && reply->refused == LogIndex(index));
    }
    if (const auto* beat = std::get_if<raft::Heartbeat>(&got->message.body)) {
      RC_ASSERT(beat->commit == LogIndex(index) && beat->all_durable == LogIndex(index));
      RC_ASSERT(beat->context == sequence && beat->sent == Instant::FromNanos(term));
      RC_ASSERT(beat->priority == 7u && beat->quiet == flag);
    }
    if (const auto* alive = std::get_if<raft::HeartbeatReply>(&got->message.body)) {
      RC_ASSERT(alive->context == sequence && alive->sent == Instant::FromNanos(term));
      RC_ASSERT(alive->no_room == flag && alive->unverified == other);
      RC_ASSERT(alive->installing == LogIndex(index) && alive->priority == 9u);
      RC_ASSERT(alive->quiet == other);
    }
    if (const auto* read = std::get_if<raft::ReadIndexRequest>(&got->message.body)) {
      RC_ASSERT(read->id == raft::ReadId(sequence));
    }
    if (const auto* read = std::get_if<raft::ReadIndexReply>(&got->message.body)) {
      RC_ASSERT(read->id == raft::ReadId(sequence));
      RC_ASSERT(read->index == std::get<raft::ReadIndexReply>(body).index);
    }
  }
}

PeerMessage WithBeats(BeatMessage beats) {
  return {.group = GroupId(0),
          .message = {.from = NodeId(7), .to = NodeId(8), .term = {}, .body = raft::TimeoutNow{}},
          .beats = std::make_shared<const BeatMessage>(std::move(beats))};
}

TEST(PeerConvert, TheHeartbeatsOfManyGroupsComeBackAsTheyWere) {
  const BeatMessage sent{
      .session = UINT64_MAX,
      .ack_session = 5,
      .ack = 6,
      .released = {{GroupId(3), Term(4)}, {GroupId(1), Term(2)}},
      .released_to = 9,
      .beats = {{GroupId(1), Term(2), raft::Heartbeat{.commit = LogIndex(3), .quiet = true}},
                {GroupId(4), Term(5), raft::HeartbeatReply{.context = 6, .quiet = true}}}};
  const absl::StatusOr<PeerMessage> got =
      DecodePeer(Bytes::From(Join(EncodePeer(WithBeats(sent)))));
  ASSERT_TRUE(got.ok()) << got.status();
  ASSERT_NE(got->beats, nullptr);
  const BeatMessage& back = *got->beats;
  EXPECT_EQ(back.session, UINT64_MAX);
  EXPECT_EQ(back.ack_session, 5u);
  EXPECT_EQ(back.ack, 6u);
  ASSERT_EQ(back.released.size(), 2u);
  EXPECT_EQ(back.released[0].group, GroupId(3));
  EXPECT_EQ(back.released[0].term, Term(4));
  EXPECT_EQ(back.released_to, 9u);
  ASSERT_EQ(back.beats.size(), 2u);
  EXPECT_EQ(back.beats[0].group, GroupId(1));
  EXPECT_EQ(back.beats[0].term, Term(2));
  EXPECT_EQ(std::get<raft::Heartbeat>(back.beats[0].body).commit, LogIndex(3));
  EXPECT_TRUE(std::get<raft::Heartbeat>(back.beats[0].body).quiet);
  EXPECT_EQ(std::get<raft::HeartbeatReply>(back.beats[1].body).context, 6u);
}

TEST(PeerConvert, AsManyHeartbeatsAsAMessageMayHoldFitWhateverTheirNumbers) {
  const LogIndex far((uint64_t{1} << 62) - 1);
  const Beat beat{GroupId(far.value()), Term(0x7fffffff),
                  raft::Heartbeat{.commit = far,
                                  .context = UINT64_MAX,
                                  .all_durable = far,
                                  .sent = Instant::FromNanos(-1),
                                  .priority = UINT32_MAX,
                                  .quiet = true}};
  const BeatMessage full{
      .session = 1,
      .released = std::vector<Release>(kReleasesMax, {GroupId(far.value()), Term(0x7fffffff)}),
      .beats = std::vector<Beat>(kBeatsMax, beat)};
  const absl::StatusOr<PeerMessage> got =
      DecodePeer(Bytes::From(Join(EncodePeer(WithBeats(full)))));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->beats->beats.size(), kBeatsMax);
}

TEST(PeerConvert, HeartbeatsOfNoSessionAreRefused) {
  EXPECT_FALSE(DecodePeer(Bytes::From(Join(EncodePeer(WithBeats({}))))).ok());
}

raft::InstallSnapshot Snapshot(size_t voters) {
  raft::InstallSnapshot snapshot{.meta = {.index = LogIndex(9), .term = Term(3), .membership = {}},
                                 .sequence = 4};
  raft::Membership& who = snapshot.meta.membership;
  for (uint64_t id = 1; id <= voters; ++id) who.voters.incoming.voters().Insert(NodeId(id << 40));
  who.voters.outgoing = raft::MajorityConfig({NodeId(5)});
  who.learners_next = raft::NodeSet({NodeId(5)});
  who.auto_leave = true;
  return snapshot;
}

absl::StatusOr<PeerMessage> ThereAndBack(const raft::InstallSnapshot& snapshot) {
  const PeerMessage sent{
      .group = GroupId(1),
      .message = {.from = NodeId(7), .to = NodeId(8), .term = Term(3), .body = snapshot}};
  return DecodePeer(Bytes::From(Join(EncodePeer(sent))));
}

TEST(PeerConvert, ASnapshotComesBackWithItsMembersHoweverMany) {
  for (const size_t voters : {size_t{0}, size_t{3}, kNodesMax - 1}) {
    const raft::InstallSnapshot sent = Snapshot(voters);
    const absl::StatusOr<PeerMessage> got = ThereAndBack(sent);
    ASSERT_TRUE(got.ok()) << got.status();
    const auto& back = std::get<raft::InstallSnapshot>(got->message.body);
    EXPECT_EQ(back.meta, sent.meta);
    EXPECT_EQ(back.sequence, sent.sequence);
  }
  EXPECT_FALSE(ThereAndBack(Snapshot(kNodesMax)).ok()) << "with the outgoing one, one too many";
}

TEST(PeerConvert, EveryTruncationIsRefused) {
  const std::string whole = Join(EncodePeer(AppendWith(1, {"one", "two"})));
  for (size_t size = 0; size < whole.size(); ++size) {
    const absl::StatusOr<PeerMessage> got = DecodePeer(Bytes::Copy(whole.substr(0, size)));
    EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument) << size;
  }
}

TEST(PeerConvert, BytesLeftOverAreRefused) {
  const std::string append = Join(EncodePeer(AppendWith(1, {"one"})));
  EXPECT_FALSE(DecodePeer(Bytes::From(append + "x")).ok());
  const PeerMessage timeout{
      .group = GroupId(1),
      .message = {.from = NodeId(1), .to = NodeId(2), .term = Term(1), .body = raft::TimeoutNow{}}};
  EXPECT_TRUE(DecodePeer(Bytes::From(Join(EncodePeer(timeout)))).ok());
  EXPECT_FALSE(DecodePeer(Bytes::From(Join(EncodePeer(timeout)) + "x")).ok());
}

TEST(PeerConvert, NumbersThatArithmeticCouldNotSurviveAreRefused) {
  const auto refused = [](PeerMessage message) {
    return DecodePeer(Bytes::From(Join(EncodePeer(message)))).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  PeerMessage message = AppendWith(1, {});
  std::get<raft::AppendRequest>(message.message.body).prev_index = LogIndex(UINT64_MAX);
  EXPECT_TRUE(refused(message));
  message = AppendWith(1, {});
  message.message.term = Term(kTermMax + 1);
  EXPECT_TRUE(refused(message));
  message = AppendWith(1, {});
  message.message.from = kNoNode;
  EXPECT_TRUE(refused(message));
  message = AppendWith(1, {});
  EXPECT_FALSE(refused(message));
}

RC_GTEST_PROP(PeerConvert, NoBytesCrashTheDecoder, (std::string noise, bool framed)) {
  std::string bytes;
  if (framed) AppendLittle(bytes, static_cast<uint32_t>(noise.size() / 2));
  bytes += noise;
  const absl::StatusOr<PeerMessage> got = DecodePeer(Bytes::From(std::move(bytes)));
  if (!got.ok()) RC_ASSERT(got.status().code() == absl::StatusCode::kInvalidArgument);
}

RC_GTEST_PROP(PeerConvert, AChangedByteNeverGivesAnotherNumberOfEntries, ()) {
  std::string bytes = Join(EncodePeer(AppendWith(9, {"first", "second"})));
  const size_t at = *rc::gen::inRange<size_t>(0, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ *rc::gen::inRange(1, 256));
  const absl::StatusOr<PeerMessage> got = DecodePeer(Bytes::From(std::move(bytes)));
  if (!got.ok()) return;
  if (const auto* append = std::get_if<raft::AppendRequest>(&got->message.body)) {
    RC_ASSERT(append->entries.size() == 2u);
  }
}

TEST(PeerConvert, CommandForTheCatalogTravelsInsteadOfAMessage) {
  const PeerMessage sent{
      .group = kCatalogGroup,
      .message = {.from = NodeId(1), .to = NodeId(2), .term = Term(1), .body = raft::TimeoutNow{}},
      .command = std::make_shared<const std::string>("move")};
  const absl::StatusOr<PeerMessage> heard = DecodePeer(Bytes::Copy(Join(EncodePeer(sent))));
  ASSERT_TRUE(heard.ok()) << heard.status();
  ASSERT_NE(heard->command, nullptr);
  EXPECT_EQ(*heard->command, "move");
  ExpectSameHead(*heard, sent);
}

absl::StatusOr<PeerMessage> ThereAndBack(Introduction introduction) {
  const PeerMessage sent{
      .group = kCatalogGroup,
      .message = {.from = NodeId(1), .to = NodeId(2), .term = {}, .body = raft::TimeoutNow{}},
      .introduction = std::make_shared<const Introduction>(std::move(introduction))};
  return DecodePeer(Bytes::Copy(Join(EncodePeer(sent))));
}

TEST(PeerConvert, WhatANodeSaysOfItselfComesBackAsItWas) {
  const Introduction sent{.incarnation = Incarnation(UINT64_MAX),
                          .settled = true,
                          .refused = true,
                          .asks = true,
                          .known = Incarnation(2),
                          .founding = true,
                          .admitted = Incarnation(3),
                          .fence_term = Term(4),
                          .fence_index = LogIndex(5),
                          .others = {{NodeId(6), Incarnation(7)}, {NodeId(8), Incarnation(9)}}};
  const Introduction least{.incarnation = Incarnation(1)};
  for (const Introduction& each : {sent, least}) {
    const absl::StatusOr<PeerMessage> heard = ThereAndBack(each);
    ASSERT_TRUE(heard.ok()) << heard.status();
    ASSERT_NE(heard->introduction, nullptr);
    EXPECT_EQ(*heard->introduction, each);
  }
}

TEST(PeerConvert, WhoeverIsNobodyOrNamesNobodyIsRefused) {
  EXPECT_FALSE(ThereAndBack(Introduction()).ok());
  Introduction from{.incarnation = Incarnation(1)};
  from.others[NodeId(0)] = Incarnation(1);
  EXPECT_FALSE(ThereAndBack(from).ok());
  from.others = {{NodeId(1), Incarnation(0)}};
  EXPECT_FALSE(ThereAndBack(from).ok());
  from.others.clear();
  for (uint64_t node = 1; node <= kNodesMax; ++node) from.others[NodeId(node)] = Incarnation(1);
  EXPECT_TRUE(ThereAndBack(from).ok());
  from.others[NodeId(kNodesMax + 1)] = Incarnation(1);
  EXPECT_FALSE(ThereAndBack(from).ok());
  from.others.clear();
  from.fence_index = LogIndex(UINT64_MAX);
  EXPECT_FALSE(ThereAndBack(from).ok());
}

}  // namespace
}  // namespace tidemark
