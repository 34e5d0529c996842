#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "engine/base/check.h"

namespace tidemark::sim {

// Whether `name` may fail a run. Besides those who may there are the processes that die (child.h).
bool IsOracle(std::string_view name);
// All of them, for people.
std::string OracleNames();

// What the oracles found. The first violation decides the run; later ones are its consequences.
class Verdict {
 public:
  bool ok() const { return oracle_.empty(); }
  const std::string& oracle() const { return oracle_; }
  const std::string& what() const { return what_; }

  // `oracle` is not listened to: whether another one speaks shows what it is there for.
  void Mute(std::string_view oracle) { muted_ = oracle; }

  //   Checks  dies unless `oracle` is one.
  void Fail(std::string_view oracle, std::string what) {
    TIDEMARK_CHECK(IsOracle(oracle));
    if (!ok() || oracle == muted_) return;
    oracle_ = oracle;
    what_ = std::move(what);
  }

 private:
  std::string oracle_;
  std::string what_;
  std::string muted_;
};

}  // namespace tidemark::sim
