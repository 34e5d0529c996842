#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sim/commands/command.h"

// tidemark-sim: runs the production node in a simulated world, seed after seed.

int main(int argc, char** argv) {
  using namespace tidemark::sim;
  const Args args(argv + 1, argv + argc);
  if (args.empty()) return Usage("what to do?");
  // Of a command as well: all of it fits on a screen.
  const std::string& last = args.back();
  if (last == "--help" || last == "-h" || args[0] == "help") {
    std::fputs(UsageText().c_str(), stdout);
    return 0;
  }
  for (const Command& command : Commands()) {
    if (command.name == args[0]) return command.run(Args(args.begin() + 1, args.end()));
  }
  return Usage(absl::StrCat("do not understand ", args[0]));
}
