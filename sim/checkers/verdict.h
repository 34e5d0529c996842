#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace tidemark::sim {

// What the oracles found. The first violation decides the run; later ones are its consequences.
class Verdict {
 public:
  bool ok() const { return oracle_.empty(); }
  const std::string& oracle() const { return oracle_; }
  const std::string& what() const { return what_; }

  void Fail(std::string_view oracle, std::string what) {
    if (!ok()) return;
    oracle_ = oracle;
    what_ = std::move(what);
  }

 private:
  std::string oracle_;
  std::string what_;
};

}  // namespace tidemark::sim
