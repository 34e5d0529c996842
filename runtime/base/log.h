#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "engine/base/ids.h"
#include "engine/base/time.h"

// Structured logging to stderr: one event a line, for people with grep and for machines.
//   logfmt  time=2026-01-02T03:04:05.678Z level=info event=peer_up node=2 endpoint=10.0.0.2:7000
//   json    {"time":"2026-01-02T03:04:05.678Z","level":"info","event":"peer_up","node":2,...}
// Times are RFC 3339 in UTC with milliseconds. Keys are the caller's, lower_snake_case literals;
// values may be any bytes, from anywhere: they are quoted and escaped so that a hostile value can
// neither start a new line, nor forge a key, nor send control codes to a terminal.

namespace tidemark {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };
enum class LogFormat : uint8_t { kLogfmt, kJson };

// Reads "debug", "info", "warning", "error" or "off"; nullopt for anything else.
std::optional<LogLevel> ParseLogLevel(std::string_view text);
// Reads "logfmt" or "json"; nullopt for anything else.
std::optional<LogFormat> ParseLogFormat(std::string_view text);

// One key and its value. Numbers, booleans and strong ids stay bare in JSON; texts are quoted.
//   Lives   the key is borrowed for the call; text values are borrowed when they come as views.
class LogField {
 public:
  LogField(std::string_view key, std::string_view value) : key_(key), text_(value) {}
  LogField(std::string_view key, const std::string& value) : key_(key), text_(value) {}
  LogField(std::string_view key, const char* value) : key_(key), text_(value) {}
  LogField(std::string_view key, bool value)
      : key_(key), text_(value ? "true" : "false"), bare_(true) {}
  template <typename T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  LogField(std::string_view key, T value)
      : key_(key), number_(std::to_string(value)), text_(number_), bare_(true) {}
  template <typename Tag, typename Rep>
  LogField(std::string_view key, StrongInt<Tag, Rep> value) : LogField(key, value.value()) {}
  LogField(const LogField&) = delete;
  LogField& operator=(const LogField&) = delete;

  std::string_view key() const { return key_; }
  std::string_view text() const { return text_; }
  bool bare() const { return bare_; }

 private:
  std::string_view key_;
  std::string number_;
  std::string_view text_;
  bool bare_ = false;
};

// Sets the threshold and the format of the whole process; meant for start-up, safe at any time.
void ConfigureLog(LogLevel threshold, LogFormat format);

// True if an event of `level` would be written: guards fields that are costly to compute.
bool LogEnabled(LogLevel level);

// Writes one event if its level reaches the threshold. Any thread; lines never interleave. Warnings
// and errors are flushed at once.
// (gcc reports the engine's class Log as shadowed, although each is found where it is meant.)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});
#pragma GCC diagnostic pop
// The same with any number of texts.
void LogTexts(LogLevel level, std::string_view event,
              std::span<const std::pair<std::string, std::string>> fields);

// The line Log writes, without its newline. Pure: for tests and for other sinks.
std::string FormatLogLine(LogFormat format, WallTime time, LogLevel level, std::string_view event,
                          std::initializer_list<LogField> fields);

// "2026-01-02T03:04:05.678Z".
std::string FormatRfc3339(WallTime time);

// Lets at most one event per `interval` through and counts the rest, so that a stranger cannot
// fill the disk with log lines. Not thread-safe: one per event loop.
class LogRateLimit {
 public:
  explicit LogRateLimit(Duration interval) : interval_(interval) {}

  // True if the event may be written at `now`; then `suppressed` tells how many were not written
  // since the last one that was.
  bool Allow(Instant now, uint64_t& suppressed);

 private:
  Duration interval_;
  std::optional<Instant> last_;
  uint64_t suppressed_ = 0;
};

}  // namespace tidemark
