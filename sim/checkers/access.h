#pragma once

#include <cstdint>
#include <string>

#include "engine/node/request.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// A client that may do nothing has no effect and learns nothing: each of its requests is refused
// as not permitted, in words that say no more than the request did, whatever state the cluster is
// in; a list shows it nothing. (That nothing of it is committed is the ledger's part,
// AckedDurability: it never hears of what this client sends.)
class Access {
 public:
  explicit Access(Verdict* verdict) : verdict_(verdict) {}

  // What `principal` was answered. `kind` names the request; `object` is what it named itself.
  void OnAnswer(const std::string& principal, const std::string& kind, const std::string& object,
                const Response& response);
  uint64_t denied() const { return denied_; }

 private:
  Verdict* verdict_;
  uint64_t denied_ = 0;
};

}  // namespace tidemark::sim
