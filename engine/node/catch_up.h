#pragma once

#include "engine/base/ids.h"
#include "engine/base/limits.h"
#include "engine/base/time.h"

namespace tidemark {

// Whether a new member of a group has caught up, so that it may vote without making commitment
// slower: in rounds, each of what the leader had when the round began. A member whose rounds stay
// shorter than an election timeout keeps pace, whatever the load; one that has a prefix to fetch
// first does not, nor does one that is not heard from.
//   Source  thesis 4.2.1. One good round could be luck: there must be kCatchUpRounds in a row.
class CatchUp {
 public:
  struct Sight {
    LogIndex last;   // the leader's
    LogIndex match;  // durable at the member
    bool active = false;
  };

  // To be told of every step. `election_timeout` is the longest a good round takes, `pause` the
  // shortest: rounds of an idle group would prove nothing.
  void Observe(Instant now, const Sight& sight, Duration election_timeout, Duration pause) {
    if (!sight.active || now - began_ > election_timeout) {
      if (begun_) rounds_ = 0;
    } else if (begun_ && (sight.match < target_ || now - began_ < pause)) {
      return;
    } else if (begun_ && rounds_ < kCatchUpRounds) {
      ++rounds_;
    }
    begun_ = true;
    began_ = now;
    target_ = sight.last;
  }
  bool done() const { return rounds_ >= kCatchUpRounds; }

 private:
  bool begun_ = false;
  Instant began_;
  LogIndex target_;
  int rounds_ = 0;
};

}  // namespace tidemark
