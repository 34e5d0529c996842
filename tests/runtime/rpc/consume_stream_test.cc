#include <thread>

#include "tests/runtime/rpc/fixture.h"
#include "tidemark/v1/log.grpc.pb.h"

namespace tidemark::rpc {
namespace {

class ConsumeStreamTest : public RpcTest {
 protected:
  void SetUp() override {
    RpcTest::SetUp();
    Bound(call_);
    v1::ConsumeRequest request;
    request.set_topic("t");
    request.set_append_time_ms(1000);
    stub_ = v1::Log::NewStub(channel_);
    stream_ = stub_->ConsumeStream(&call_, request);
  }
  void TearDown() override {
    call_.TryCancel();
    stream_.reset();
    stub_.reset();
    RpcTest::TearDown();
  }

  grpc::ClientContext call_;
  std::unique_ptr<v1::Log::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<v1::ConsumeResponse>> stream_;
};

TEST_F(ConsumeStreamTest, EachFetchWaitsAndGoesOnWhereTheLastOneEnded) {
  std::vector<FakeGateway::Asked> asked = gateway_.Take(1);
  const auto first = std::get<FetchRequest>(asked[0].request);
  EXPECT_TRUE(first.wait);
  EXPECT_EQ(first.start, FetchRequest::Start::kAppendTime);
  asked[0].done(Fetched(40, {"a", "b", "c"}));

  v1::ConsumeResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.next_offset(), 43u);
  asked = gateway_.Take(1);
  const auto second = std::get<FetchRequest>(asked[0].request);
  EXPECT_TRUE(second.wait);
  EXPECT_EQ(second.start, FetchRequest::Start::kOffset);
  EXPECT_EQ(second.offset, Offset(43));
  asked[0].done(Fetched(43, {"d"}));
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.next_offset(), 44u);
}

TEST_F(ConsumeStreamTest, TheWaitingFetchIsCancelledWithItsClient) {
  gateway_.WaitFor(1);
  call_.TryCancel();
  EXPECT_EQ(gateway_.TakeCancelled(), RequestId(1));
  EXPECT_EQ(stream_->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ConsumeStreamTest, ShutdownEndsAStreamThatWaits) {
  gateway_.WaitFor(1);
  std::thread shutdown([this] { server_->Shutdown(Duration::Seconds(20)); });
  v1::ConsumeResponse response;
  EXPECT_FALSE(stream_->Read(&response));
  const grpc::Status status = stream_->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "SHUTTING_DOWN");
  EXPECT_EQ(gateway_.TakeCancelled(), RequestId(1));
  shutdown.join();
}

TEST_F(ConsumeStreamTest, AnErrorEndsTheStreamWithItsReason) {
  gateway_.Take(1)[0].done(Error(absl::StatusCode::kOutOfRange, "OFFSET_OUT_OF_RANGE"));
  v1::ConsumeResponse response;
  EXPECT_FALSE(stream_->Read(&response));
  const grpc::Status status = stream_->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(status), "OFFSET_OUT_OF_RANGE");
}

}  // namespace
}  // namespace tidemark::rpc
