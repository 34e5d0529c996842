#include "sim/audit.h"

#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sim/render.h"
#include "sim/run.h"

namespace tidemark::sim {
namespace {

// Decisions of the step that are shown.
constexpr size_t kShownMax = 8;

// The account of the present step, thrown away when the next one begins.
class LastStep : public StepListener {
 public:
  void Begin() {
    node_ = NodeId();
    events_.clear();
    effects_.clear();
  }
  void OnStep(NodeId node, Instant now, std::span<const Event> events) override {
    node_ = node;
    now_ = now;
    events_.assign(events.begin(), events.end());
  }
  void OnEffect(const Effect& effect) override { effects_.push_back(effect); }

  std::string Text() const {
    if (node_ == NodeId()) return "  no node steps\n";
    std::string text = absl::StrFormat("  node %d at %.9f s\n", node_.value(),
                                       static_cast<double>(now_.nanos()) / 1e9);
    for (const Event& event : events_) absl::StrAppend(&text, "    < ", Render(event), "\n");
    for (const Effect& effect : effects_) absl::StrAppend(&text, "    > ", Render(effect), "\n");
    return text;
  }

 private:
  NodeId node_;
  Instant now_;
  std::vector<Event> events_;
  Effects effects_;
};

struct Side {
  explicit Side(const Plan& plan)
      : run(std::make_unique<Execution>(plan, Watchers{.log = &log, .listener = &last})) {}

  const World& world() const { return std::as_const(*run).world(); }
  uint64_t task() const { return world().scheduler().executed(); }
  std::string Text() const {
    std::string text =
        absl::StrFormat("  %.9f s\n", static_cast<double>(world().now().nanos()) / 1e9);
    absl::StrAppend(&text, last.Text());
    const std::span<const Decision> all = log.decisions();
    const size_t first = all.size() - std::min(all.size() - decided_before, kShownMax);
    for (size_t i = first; i < all.size(); ++i) {
      absl::StrAppend(&text, "    decided ", Describe(all[i]), "\n");
    }
    return text;
  }

  DecisionLog log;
  LastStep last;
  std::unique_ptr<Execution> run;
  size_t decided_before = 0;
};

bool Same(const Side& a, const Side& b) {
  const std::span<const Decision> in_a = a.log.decisions();
  const std::span<const Decision> in_b = b.log.decisions();
  if (in_a.size() != in_b.size() || (!in_a.empty() && in_a.back() != in_b.back())) return false;
  return a.world().TraceSoFar() == b.world().TraceSoFar() && a.world().now() == b.world().now() &&
         a.task() == b.task() && a.world().verdict().what() == b.world().verdict().what();
}

// The first byte in which the disks of the two worlds differ.
std::string DiskDifference(const World& a, const World& b) {
  for (size_t node = 0; node < a.nodes(); ++node) {
    const std::unique_ptr<DirectoryView> in_a = a.disk(node).View();
    const std::unique_ptr<DirectoryView> in_b = b.disk(node).View();
    std::set<FileId> files;
    for (const DirectoryView* view : {in_a.get(), in_b.get()}) {
      for (const GroupId group : view->Groups()) {
        for (const FileId& file : view->List(group)) files.insert(file);
      }
    }
    for (const FileId& file : files) {
      const std::string where = absl::StrCat(PathOf(file), " of node ", a.id(node).value());
      const absl::StatusOr<std::string_view> left = in_a->Contents(file);
      const absl::StatusOr<std::string_view> right = in_b->Contents(file);
      if (!left.ok() || !right.ok()) {
        return absl::StrCat(where, " exists in one of the worlds only");
      }
      if (*left == *right) continue;
      size_t byte = 0;
      while (byte < left->size() && byte < right->size() && (*left)[byte] == (*right)[byte]) ++byte;
      return absl::StrCat(where, " differs from byte ", byte, " on (", left->size(), " and ",
                          right->size(), " bytes)");
    }
  }
  return "";
}

}  // namespace

std::optional<Divergence> Compare(const Plan& a, const Plan& b) {
  Side left(a);
  Side right(b);
  const auto parted = [&] {
    return Divergence{
        .task = std::max(left.task(), right.task()),
        .what = absl::StrCat("one world:\n", left.Text(), "the other:\n", right.Text())};
  };
  bool more = true;
  while (more) {
    if (!Same(left, right)) return parted();
    for (Side* side : {&left, &right}) {
      side->last.Begin();
      side->decided_before = side->log.decisions().size();
    }
    const bool left_more = left.run->Advance();
    const bool right_more = right.run->Advance();
    if (left_more != right_more) return parted();
    more = left_more;
  }
  if (!Same(left, right)) return parted();
  std::string disks = DiskDifference(left.world(), right.world());
  if (disks.empty()) return std::nullopt;
  return Divergence{.task = left.task(), .what = std::move(disks)};
}

}  // namespace tidemark::sim
