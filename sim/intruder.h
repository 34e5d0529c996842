#pragma once

#include <string>

#include "sim/client.h"

namespace tidemark::sim {

// A client that the policy permits nothing of what is there. It asks every node for everything that
// can be asked, all the time.
class Intruder : public Client {
 public:
  static constexpr char kPrincipal[] = "intruder";

  // `topic` exists, or will.
  Intruder(World* world, uint32_t actor, std::string topic);

  void Start() { Next(); }
  void OnNodeDown(size_t) override {}

 private:
  // What it asks for, and what that is called in a policy.
  struct Attempt {
    std::string kind;
    std::string object;
    Request request;
  };
  Attempt Draw();
  void Next();
};

}  // namespace tidemark::sim
