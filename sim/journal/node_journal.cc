#include "sim/journal/node_journal.h"

#include <utility>

#include "proto/journal/directory_image.h"

namespace tidemark::sim {

absl::StatusOr<Node> NodeJournal::Recover(const NodeOptions& options,
                                          const DirectoryView& directory, Now now, uint64_t seed) {
  reopened_.clear();
  std::string& run = runs_.emplace_back();
  journal::AppendBegin(run, {.options = options, .now = now, .seed = seed, .recorder = "sim"});
  const journal::RecordingView seen(&directory);
  absl::StatusOr<Node> node = Node::Recover(options, seen, now, Prng(seed));
  seen.Encode([&](const std::string& frames) { run.append(frames); });
  return node;
}

absl::StatusOr<std::shared_ptr<RecoveredGroup>> NodeJournal::RecoverAgain(
    const ReopenGroup& reopen, const LogOptions& options, const DirectoryView& directory) {
  const journal::RecordingView seen(&directory);
  absl::StatusOr<std::shared_ptr<RecoveredGroup>> recovered =
      RecoverGroupAgain(reopen.group, options, seen, reopen.committed);
  auto record = std::make_unique<journal::ReopenRecord>();
  record->reopening = {.group = reopen.group, .committed = reopen.committed};
  seen.Encode([&](const std::string& frames) { record->files.append(frames); });
  reopened_[reopen.token] = std::move(record);
  return recovered;
}

void NodeJournal::BeforeStep(Now now, std::span<const Event> events) {
  std::vector<std::unique_ptr<journal::ReopenRecord>> reopened;
  for (const Event& event : events) {
    reopened.emplace_back();
    const auto* again = std::get_if<GroupReopened>(&event);
    if (again == nullptr) continue;
    const auto found = reopened_.extract(again->token);
    if (found.empty()) continue;
    reopened.back() = std::move(found.mapped());
    ++reopened_count_;
  }
  journal::AppendTold(runs_.back(), now, events, reopened);
}

void NodeJournal::AfterStep(std::span<const Effect> effects, const Node& node) {
  journal::AppendEffects(runs_.back(), effects, node.next_deadline());
}

}  // namespace tidemark::sim
