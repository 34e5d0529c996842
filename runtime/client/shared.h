#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "engine/balancer/picker.h"
#include "engine/balancer/retry.h"
#include "engine/balancer/view.h"
#include "engine/base/prng.h"
#include "runtime/client/channels.h"
#include "runtime/client/pump.h"

namespace tidemark::client {

// What the calls, producers and consumers of one client share. The view and the picker are not
// thread-safe: hold `mutex` around every use of them, and around every step of a session.
struct Shared {
  explicit Shared(ClientOptions options_in, std::shared_ptr<Channels> channels_in);

  const ClientOptions options;
  const std::shared_ptr<Channels> channels;
  std::mutex mutex;
  Prng prng;
  balancer::ClusterView view;
  balancer::Picker picker;
  balancer::RetryBudget budget;
  // Ends the wait between the attempts of a call.
  bool closed = false;
  std::condition_variable closing;

  // Asks a server for the list of servers and, unless it is empty, the partitions of `topic`, and
  // updates the view. Blocks for at most a few seconds; failures leave the view as it was.
  void Refresh(const std::string& topic);
  // The same on a thread of its own. Requests that come while one is under way are one.
  void RefreshLater(const std::string& topic);

 private:
  std::set<std::string> refreshing_;  // guarded by mutex
  Pump refresher_;
};

}  // namespace tidemark::client
