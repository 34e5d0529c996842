#include <thread>

#include "tests/runtime/rpc/fixture.h"
#include "tidemark/v1/log.grpc.pb.h"

namespace tidemark::rpc {
namespace {

class ProduceStreamTest : public RpcTest {
 protected:
  void SetUp() override {
    RpcTest::SetUp();
    Bound(call_);
    stub_ = v1::Log::NewStub(channel_);
    stream_ = stub_->ProduceStream(&call_);
  }
  void TearDown() override {
    call_.TryCancel();
    stream_.reset();
    stub_.reset();
    RpcTest::TearDown();
  }
  void Send(const std::string& batch) {
    v1::ProduceRequest request;
    request.set_topic("t");
    request.set_batch(batch);
    ASSERT_TRUE(stream_->Write(request));
  }

  grpc::ClientContext call_;
  std::unique_ptr<v1::Log::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ProduceRequest, v1::ProduceStreamResponse>> stream_;
};

TEST_F(ProduceStreamTest, AnswersComeInRequestOrderWhateverTheEnginesOrder) {
  for (int i = 0; i < 5; ++i) Send(std::to_string(i));
  std::vector<FakeGateway::Asked> asked = gateway_.Take(5);
  ASSERT_EQ(asked.size(), 5u);
  for (size_t i = asked.size(); i-- > 0;) {
    EXPECT_EQ(std::get<ProduceRequest>(asked[i].request).batch, std::to_string(i));
    asked[i].done(Ack(100 + i));
  }
  v1::ProduceStreamResponse response;
  for (uint64_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(stream_->Read(&response));
    EXPECT_EQ(response.ack().base_offset(), 100 + i);
  }
  stream_->WritesDone();
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(ProduceStreamTest, AFailedRequestIsAnsweredInLineAndTheStreamGoesOn) {
  Send("first");
  gateway_.Take(1)[0].done(
      Error(absl::StatusCode::kResourceExhausted, "BACK_PRESSURE", {{"k", "v"}}));
  v1::ProduceStreamResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.error().code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(response.error().reason(), "BACK_PRESSURE");
  EXPECT_EQ(response.error().metadata().at("k"), "v");
  Send("second");
  gateway_.Take(1)[0].done(Ack(8));
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.ack().base_offset(), 8u);
}

TEST_F(ProduceStreamTest, ReadsAheadToABoundAndNoFurther) {
  constexpr size_t kRequests = 300;
  std::thread writer([this] {
    for (size_t i = 0; i < kRequests; ++i) Send("b");
    stream_->WritesDone();
  });
  std::thread engine([this] {
    for (size_t answered = 0; answered < kRequests;) {
      // Wait for a full window before anything is answered: without a bound it would grow on.
      std::vector<FakeGateway::Asked> asked =
          gateway_.Take(std::min<size_t>(64, kRequests - answered));
      if (asked.empty()) return;
      for (FakeGateway::Asked& one : asked) one.done(Ack(answered++));
    }
  });
  v1::ProduceStreamResponse response;
  size_t read = 0;
  while (read < kRequests && stream_->Read(&response)) {
    EXPECT_EQ(response.ack().base_offset(), read);
    ++read;
  }
  writer.join();
  engine.join();
  EXPECT_EQ(read, kRequests);
  EXPECT_LE(gateway_.kept_max(), 64u);
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(ProduceStreamTest, AnAnswerAfterTheClientWentAwayIsDropped) {
  Send("orphan");
  std::vector<FakeGateway::Asked> asked = gateway_.Take(1);
  call_.TryCancel();
  EXPECT_EQ(stream_->Finish().error_code(), grpc::StatusCode::CANCELLED);
  server_->Shutdown(Duration::Seconds(10));
  asked[0].done(Ack(1));
}

TEST_F(ProduceStreamTest, ShutdownAnswersWhatWasReadThenEndsTheStream) {
  Send("last");
  std::vector<FakeGateway::Asked> asked = gateway_.Take(1);
  std::thread shutdown([this] { server_->Shutdown(Duration::Seconds(20)); });
  asked[0].done(Ack(33));
  v1::ProduceStreamResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.ack().base_offset(), 33u);
  EXPECT_FALSE(stream_->Read(&response));
  const grpc::Status status = stream_->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "SHUTTING_DOWN");
  shutdown.join();
}

}  // namespace
}  // namespace tidemark::rpc
