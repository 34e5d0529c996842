#include "runtime/client/session_host.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>

namespace tidemark::client {
namespace {

using balancer::CallError;
using balancer::StreamId;
using Action = std::variant<balancer::OpenStream, balancer::CloseStream, balancer::RefreshView>;

// Opens what it is told to and counts the ends it hears of.
class FakeSession {
 public:
  FakeSession(balancer::TopicPartition /*where*/, int /*options*/,
              const balancer::ClusterView* /*view*/, balancer::Picker* /*picker*/, Prng /*prng*/) {}
  void OnTimer(Instant /*now*/, std::vector<Action>& /*out*/) {}
  Instant next_deadline() const { return Instant::Never(); }
  void OnStreamClosed(Instant /*now*/, StreamId /*stream*/, const CallError& /*error*/,
                      std::vector<Action>& /*out*/) {
    ++ends;
  }

  int ends = 0;
};

// A call as gRPC has it: cancelling is asynchronous, its end is reported by a thread of its own.
struct FakeCall {
  struct Trace {
    std::promise<void> cancelled;
    std::promise<std::thread::id> destroyed;
    std::function<void(CallError)> report;
  };
  explicit FakeCall(Trace* trace_in) : trace(trace_in) {}
  ~FakeCall() { trace->destroyed.set_value(std::this_thread::get_id()); }
  FakeCall(const FakeCall&) = delete;
  FakeCall& operator=(const FakeCall&) = delete;
  void Cancel() const { trace->cancelled.set_value(); }

  Trace* const trace;
};

class Host : private SessionHost<FakeSession, Action, FakeCall> {
 public:
  explicit Host(const std::shared_ptr<Shared>& shared)
      : SessionHost(shared, "t", PartitionId(), 0) {
    Begin();
  }
  void Open(StreamId stream, FakeCall::Trace* trace) {
    OnPump([&] {
      trace->report = WhenClosed(stream);
      calls_[stream] = std::make_unique<FakeCall>(trace);
    });
  }
  void CloseByTheSession(StreamId stream) {
    OnPump([&] { Run([&](Actions& out) { out.push_back(balancer::CloseStream{stream}); }); });
  }
  int ends() {
    int ends = 0;
    OnPump([&] { ends = session_.ends; });
    return ends;
  }
  std::thread::id pump_thread() {
    std::thread::id id;
    OnPump([&] { id = std::this_thread::get_id(); });
    return id;
  }
  void End() {
    SessionHost::End([](Actions&) {});
  }

 private:
  void Perform(const Action& /*action*/) override {}
  void OnPump(const std::function<void()>& job) {
    std::promise<void> done;
    Post(Pump::By::kPump, [&] {
      job();
      done.set_value();
    });
    done.get_future().wait();
  }
};

std::shared_ptr<Shared> MakeShared() { return std::make_shared<Shared>(ClientOptions(), nullptr); }

// A client's process used to abort when its exit met a call that gRPC was still ending.
TEST(SessionHost, EndsOnlyWhenTheLastCallHasReportedItsEnd) {
  Host host(MakeShared());
  FakeCall::Trace open;
  FakeCall::Trace closing;
  host.Open(StreamId(1), &closing);
  host.Open(StreamId(2), &open);
  host.CloseByTheSession(StreamId(1));
  closing.cancelled.get_future().wait();

  std::future<void> ended = std::async(std::launch::async, [&] { host.End(); });
  open.cancelled.get_future().wait();
  EXPECT_EQ(ended.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  std::thread([&] { open.report(CallError()); }).join();
  EXPECT_EQ(ended.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  std::thread([&] { closing.report(CallError()); }).join();
  ended.wait();
  EXPECT_EQ(open.destroyed.get_future().wait_for(std::chrono::seconds(0)),
            std::future_status::ready);
  EXPECT_EQ(closing.destroyed.get_future().wait_for(std::chrono::seconds(0)),
            std::future_status::ready);
}

// gRPC's thread would destroy the call's channel, and with it the queue that thread runs.
TEST(SessionHost, DestroysACallOnItsOwnThreadWhoeverReports) {
  Host host(MakeShared());
  FakeCall::Trace trace;
  host.Open(StreamId(1), &trace);
  const std::thread::id pump = host.pump_thread();
  std::thread([&] { trace.report(CallError()); }).join();
  EXPECT_EQ(trace.destroyed.get_future().get(), pump);
  EXPECT_EQ(host.ends(), 1);
  host.End();
}

TEST(SessionHost, TellsTheSessionOfTheEndOfAStreamItClosed) {
  Host host(MakeShared());
  FakeCall::Trace trace;
  host.Open(StreamId(1), &trace);
  host.CloseByTheSession(StreamId(1));
  trace.cancelled.get_future().wait();
  EXPECT_EQ(host.ends(), 0);
  trace.report(CallError());
  trace.destroyed.get_future().wait();
  EXPECT_EQ(host.ends(), 1);
  host.End();
}

}  // namespace
}  // namespace tidemark::client
