#include "sim/trace_writer.h"

#include "sim/render.h"

namespace tidemark::sim {

void TraceWriter::OnStep(NodeId node, Instant now, std::span<const Event> events) {
  std::fprintf(out_, "#%llu %.9f node %llu%s\n", static_cast<unsigned long long>(task_),
               static_cast<double>(now.nanos()) / 1e9,
               static_cast<unsigned long long>(node.value()), events.empty() ? " wakes" : "");
  for (const Event& event : events) std::fprintf(out_, "  < %s\n", Render(event).c_str());
}

void TraceWriter::OnEffect(const Effect& effect) {
  std::fprintf(out_, "  > %s\n", Render(effect).c_str());
}

}  // namespace tidemark::sim
