#include "runtime/node/recorder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "proto/journal/frame.h"
#include "runtime/base/last_wish.h"

namespace tidemark {
namespace {

namespace fs = std::filesystem;

class NoFiles : public DirectoryView {
 public:
  std::vector<FileId> List(GroupId) const override { return {}; }
  std::vector<GroupId> Groups() const override { return {}; }
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override {
    return absl::NotFoundError(PathOf(file));
  }
};

class RecorderTest : public ::testing::Test {
 protected:
  RecorderTest() {
    std::string name = (fs::temp_directory_path() / "tidemark-recorder-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    options_.directory = root_ + "/recordings";
  }
  ~RecorderTest() override { fs::remove_all(root_); }

  std::unique_ptr<Recorder> Open() {
    absl::StatusOr<std::unique_ptr<Recorder>> recorder = Recorder::Open(options_);
    EXPECT_TRUE(recorder.ok()) << recorder.status();
    (*recorder)->Begin({.options = {}, .now = {}, .seed = 1, .recorder = "test"},
                       journal::RecordingView(&nothing_));
    return *std::move(recorder);
  }

  // A step that is told `bytes`.
  static void Step(Recorder& recorder, size_t bytes) {
    std::vector<Event> events;
    events.push_back(GossipStreamReceived{Bytes::From(std::string(bytes, 'x'))});
    recorder.BeforeStep({}, events, {});
    recorder.AfterStep({}, Instant::Never());
  }

  static std::vector<fs::path> Sorted(const fs::path& directory) {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(directory)) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  // All frames of a run; fails the test if one is damaged.
  static std::vector<journal::Frame> Frames(const fs::path& run) {
    journal::FrameReader reader;
    std::vector<journal::Frame> frames;
    for (const fs::path& path : Sorted(run)) {
      std::ifstream file(path, std::ios::binary);
      std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      const absl::Status opened = reader.Open(Bytes::From(std::move(text)));
      EXPECT_TRUE(opened.ok()) << opened;
      for (;;) {
        const auto frame = reader.Next();
        EXPECT_TRUE(frame.ok()) << frame.status();
        if (!frame.ok() || !frame->has_value()) break;
        frames.push_back(**frame);
      }
    }
    return frames;
  }
  static size_t Count(const std::vector<journal::Frame>& frames, journal::FrameKind kind) {
    return static_cast<size_t>(
        std::count_if(frames.begin(), frames.end(),
                      [&](const journal::Frame& frame) { return frame.kind == kind; }));
  }
  static std::string EndOf(const std::vector<journal::Frame>& frames) {
    return frames.back().kind == journal::FrameKind::kEnd ? std::string(frames.back().body.view())
                                                          : std::string();
  }

  NoFiles nothing_;
  std::string root_;
  Recorder::Options options_;
};

TEST_F(RecorderTest, WritesEveryStepOverManyFilesAndThatTheRunEnded) {
  options_.file_bytes = 100'000;
  std::unique_ptr<Recorder> recorder = Open();
  const std::string run = recorder->run_directory();
  for (int i = 0; i < 3000; ++i) Step(*recorder, 1000);
  EXPECT_TRUE(recorder->recording());
  recorder.reset();
  const std::vector<journal::Frame> frames = Frames(run);
  EXPECT_EQ(Count(frames, journal::FrameKind::kBegin), 1u);
  EXPECT_EQ(Count(frames, journal::FrameKind::kStep), 3000u);
  EXPECT_EQ(Count(frames, journal::FrameKind::kEvent), 3000u);
  EXPECT_EQ(Count(frames, journal::FrameKind::kEffects), 3000u);
  EXPECT_EQ(EndOf(frames), "the server stopped");
  EXPECT_GT(Sorted(run).size(), 1u);
}

TEST_F(RecorderTest, OnlyTheOwnerMayReadARecording) {
  std::unique_ptr<Recorder> recorder = Open();
  const std::string run = recorder->run_directory();
  recorder.reset();
  const auto mode = [](const fs::path& path) {
    struct stat info = {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 0777;
  };
  EXPECT_EQ(mode(options_.directory), 0700u);
  EXPECT_EQ(mode(run), 0700u);
  EXPECT_EQ(mode(Sorted(run).front()), 0600u);
}

TEST_F(RecorderTest, ARunThatOutgrowsItsBoundEndsAndWhatWasWrittenIsWhole) {
  options_.bytes_max = 3u << 20;
  std::unique_ptr<Recorder> recorder = Open();
  const std::string run = recorder->run_directory();
  for (int i = 0; i < 8000; ++i) Step(*recorder, 1000);
  recorder.reset();
  const std::vector<journal::Frame> frames = Frames(run);
  EXPECT_NE(EndOf(frames).find("record_bytes_max"), std::string::npos) << EndOf(frames);
  EXPECT_GT(Count(frames, journal::FrameKind::kStep), 0u);
  EXPECT_LT(Count(frames, journal::FrameKind::kStep), 8000u);
  uint64_t bytes = 0;
  for (const fs::path& file : Sorted(run)) bytes += fs::file_size(file);
  EXPECT_LE(bytes, options_.bytes_max + 1000);
}

TEST_F(RecorderTest, OldRunsMakeRoomForNewOnes) {
  options_.bytes_max = 3u << 20;
  std::vector<std::string> runs;
  for (int run = 0; run < 4; ++run) {
    std::unique_ptr<Recorder> recorder = Open();
    runs.push_back(recorder->run_directory());
    for (int i = 0; i < 1200; ++i) Step(*recorder, 1000);
  }
  // Two fit; the newest is whole.
  EXPECT_EQ(Sorted(options_.directory), (std::vector<fs::path>{runs[2], runs[3]}));
  EXPECT_EQ(Count(Frames(runs[3]), journal::FrameKind::kStep), 1200u);
}

TEST_F(RecorderTest, NamesOfOthersInTheFolderAreLeftAlone) {
  options_.bytes_max = 1u << 20;
  fs::create_directories(options_.directory + "/run-of-the-mill");
  std::ofstream(options_.directory + "/run-of-the-mill/file") << std::string(3u << 20, 'x');
  std::unique_ptr<Recorder> recorder = Open();
  for (int i = 0; i < 2000; ++i) Step(*recorder, 1000);
  recorder.reset();
  EXPECT_TRUE(fs::exists(options_.directory + "/run-of-the-mill/file"));
}

TEST_F(RecorderTest, TooMuchThatWaitsEndsTheRecordingAndNotTheNode) {
  options_.waiting_bytes_max = 1u << 20;
  std::unique_ptr<Recorder> recorder = Open();
  const std::string run = recorder->run_directory();
  // One step is more than may wait: no disk is fast enough.
  Step(*recorder, 2u << 20);
  EXPECT_FALSE(recorder->recording());
  Step(*recorder, 10);
  recorder.reset();
  const std::vector<journal::Frame> frames = Frames(run);
  EXPECT_NE(EndOf(frames).find("too slow"), std::string::npos);
  EXPECT_EQ(Count(frames, journal::FrameKind::kStep), 1u);
}

TEST_F(RecorderTest, AWriteThatFailsEndsTheRecordingAndLeavesWholeFrames) {
  // A file may not grow beyond this: the kernel refuses as a full disk does.
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 1'500'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::unique_ptr<Recorder> recorder = Open();
  const std::string run = recorder->run_directory();
  for (int i = 0; i < 5000; ++i) Step(*recorder, 1000);
  recorder.reset();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  const std::vector<journal::Frame> frames = Frames(run);
  EXPECT_EQ(EndOf(frames), "") << "nothing can be written any more, not even why";
  EXPECT_GT(Count(frames, journal::FrameKind::kBegin), 0u);
  EXPECT_LT(Count(frames, journal::FrameKind::kStep), 5000u);
}

TEST_F(RecorderTest, AProcessThatEndsItselfLeavesTheStepItEndsIn) {
  std::unique_ptr<Recorder> recorder = Open();
  Step(*recorder, 10);
  recorder->BeforeStep({}, {}, {});
  // What a failed check does.
  RunLastWish();
  const std::vector<journal::Frame> frames = Frames(recorder->run_directory());
  EXPECT_EQ(Count(frames, journal::FrameKind::kStep), 2u);
  EXPECT_EQ(frames.back().kind, journal::FrameKind::kStep);
}

TEST_F(RecorderTest, AFolderThatCannotBeMadeIsSaid) {
  std::ofstream(root_ + "/file") << "x";
  options_.directory = root_ + "/file/below";
  const auto recorder = Recorder::Open(options_);
  ASSERT_FALSE(recorder.ok());
  EXPECT_NE(std::string(recorder.status().message()).find("below"), std::string::npos);
}

}  // namespace
}  // namespace tidemark
