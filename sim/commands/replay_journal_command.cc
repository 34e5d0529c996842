#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "proto/journal/frame.h"
#include "sim/commands/command.h"
#include "sim/journal/explain.h"
#include "sim/journal/replay.h"
#include "sim/render.h"

namespace tidemark::sim {
namespace {

namespace fs = std::filesystem;

struct Found {
  std::string run;  // the folder
  std::vector<std::string> files;
  size_t other_runs = 0;
};

std::vector<std::string> SortedNames(const std::string& directory, bool folders,
                                     std::error_code& error) {
  std::vector<std::string> names;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const bool wanted = folders ? at->path().filename().string().starts_with("run-")
                                : at->path().extension() == ".journal";
    if (wanted) names.push_back(at->path().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// `directory` is a run's folder, or one with runs in it: then the newest counts.
absl::StatusOr<Found> Find(const std::string& directory) {
  std::error_code error;
  Found found{.run = directory, .files = SortedNames(directory, false, error), .other_runs = 0};
  if (found.files.empty() && !error) {
    const std::vector<std::string> runs = SortedNames(directory, true, error);
    if (!runs.empty()) {
      found.run = runs.back();
      found.other_runs = runs.size() - 1;
      found.files = SortedNames(found.run, false, error);
    }
  }
  if (error) {
    return absl::NotFoundError(absl::StrCat("cannot list ", directory, ": ", error.message()));
  }
  if (found.files.empty()) {
    return absl::NotFoundError(
        absl::StrCat("there is no journal in ", directory,
                     "; name the folder that was given to `tidemark server --record`"));
  }
  return found;
}

absl::StatusOr<Bytes> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file.is_open()) return absl::NotFoundError("cannot be read");
  std::string text(static_cast<size_t>(std::max<std::streamoff>(file.tellg(), 0)), '\0');
  file.seekg(0);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file) return absl::NotFoundError("cannot be read");
  return Bytes::From(std::move(text));
}

// Feeds all frames until something is wrong, differs or `until` is passed.
//   Errors  of the journal, with the file; kOutOfRange: its end is torn, which is no harm.
absl::Status FeedAll(const Found& found, uint64_t until, JournalReplay& replay) {
  journal::FrameReader reader;
  for (size_t i = 0; i < found.files.size(); ++i) {
    const auto in_file = [&](const absl::Status& status) {
      return absl::Status(status.code(),
                          absl::StrCat(found.files[i], ": ", std::string(status.message())));
    };
    absl::StatusOr<Bytes> file = ReadFile(found.files[i]);
    if (!file.ok()) return in_file(file.status());
    const absl::Status opened = reader.Open(*std::move(file));
    if (!opened.ok()) return in_file(opened);
    for (;;) {
      const absl::StatusOr<std::optional<journal::Frame>> frame = reader.Next();
      if (absl::IsOutOfRange(frame.status()) && i + 1 < found.files.size()) {
        return in_file(absl::DataLossError(std::string(frame.status().message())));
      }
      if (!frame.ok()) return in_file(frame.status());
      if (!frame->has_value()) break;
      if (replay.steps() > until && !replay.in_step()) return absl::OkStatus();
      const absl::Status fed = replay.Feed(**frame);
      if (!fed.ok()) return in_file(fed);
      if (replay.divergence().has_value()) return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

void Print(const Divergence& divergence) {
  std::printf("DIVERGED at step %llu (%s): %s\n", static_cast<unsigned long long>(divergence.step),
              RenderTime(divergence.now.wall).c_str(), divergence.what.c_str());
  for (const std::string& line : divergence.story) std::printf("  %s\n", line.c_str());
}

}  // namespace

int ReplayJournalCommand(const Args& args) {
  std::vector<std::string> directory;
  bool explain = false;
  uint64_t until = UINT64_MAX - 1;
  const absl::Status parsed = Flags()
                                  .Switch("--explain", &explain)
                                  .Number("--until", 0, &until)
                                  .Rest(1, &directory)
                                  .Parse(args);
  if (!parsed.ok()) return Usage(parsed);
  if (directory.empty()) return Usage("which journal?");
  const absl::StatusOr<Found> found = Find(directory[0]);
  if (!found.ok()) {
    std::fprintf(stderr, "tidemark-sim: %s\n", std::string(found.status().message()).c_str());
    return 2;
  }
  // A failed check ends the process: what came before it must be out by then.
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::printf("replaying %s", found->run.c_str());
  if (found->other_runs > 0) std::printf(" (and not %zu older runs)", found->other_runs);
  std::printf("\n");
  Explainer explainer({}, [](const std::string& line) { std::printf("%s\n", line.c_str()); });
  JournalReplay replay(explain ? &explainer : nullptr);
  const absl::Status status = FeedAll(*found, until, replay);
  if (explain && replay.steps() > 0) explainer.Finish();
  if (!replay.recorder().empty() && replay.recorder() != TIDEMARK_VERSION) {
    std::printf("recorded by version %s, replayed by %s\n", replay.recorder().c_str(),
                TIDEMARK_VERSION);
  }
  if (replay.divergence().has_value()) {
    Print(*replay.divergence());
    return 1;
  }
  const uint64_t equal = replay.steps() - (replay.in_step() ? 1 : 0);
  std::printf("%llu steps equal: %llu events told, %llu effects decided alike\n",
              static_cast<unsigned long long>(equal),
              static_cast<unsigned long long>(replay.events()),
              static_cast<unsigned long long>(replay.effects()));
  if (absl::IsOutOfRange(status)) {
    std::printf("the journal breaks off, as when the process is killed: %s\n",
                std::string(status.message()).c_str());
  } else if (!status.ok()) {
    std::printf("DAMAGED journal: %s\n", std::string(status.message()).c_str());
    return 3;
  }
  if (replay.in_step()) {
    std::printf("step %llu was begun and its effects were not recorded any more\n",
                static_cast<unsigned long long>(replay.steps() - 1));
  }
  if (!replay.end().empty()) std::printf("the recording ended: %s\n", replay.end().c_str());
  return 0;
}

}  // namespace tidemark::sim
