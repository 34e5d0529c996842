#include "sim/trace_writer.h"

#include <gtest/gtest.h>

#include <memory>
#include <sstream>

#include "sim/run.h"

namespace tidemark::sim {
namespace {

TEST(TraceWriter, TellsEveryStepOfARun) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* const out = ::open_memstream(&text, &size);
  TraceWriter writer(out);
  Execution run(PlanOf(3), {.listener = &writer});
  for (uint64_t task = 1; task <= 2000; ++task) {
    writer.BeginTask(task);
    run.Advance();
  }
  std::fclose(out);
  const std::string told(text, size);
  std::free(text);
  EXPECT_NE(told.find("#0 0.000000000 node "), std::string::npos);
  EXPECT_NE(told.find("vote_reply { granted: true }"), std::string::npos);
  EXPECT_NE(told.find("> Flush "), std::string::npos);
}

}  // namespace
}  // namespace tidemark::sim
