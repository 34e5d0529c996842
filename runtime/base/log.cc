#include "runtime/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <time.h>

#include <atomic>
#include <memory>
#include <utility>

#include "runtime/base/clock.h"

namespace tidemark {
namespace {

std::atomic<LogLevel> threshold{LogLevel::kInfo};
std::atomic<LogFormat> line_format{LogFormat::kLogfmt};

constexpr std::pair<std::string_view, LogLevel> kLevels[] = {{"debug", LogLevel::kDebug},
                                                             {"info", LogLevel::kInfo},
                                                             {"warning", LogLevel::kWarning},
                                                             {"error", LogLevel::kError},
                                                             {"off", LogLevel::kOff}};

std::string_view LevelName(LogLevel level) {
  for (const auto& [name, value] : kLevels) {
    if (value == level) return name;
  }
  return "?";
}

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

// The one logger. Never destroyed: threads may log until the process ends.
spdlog::logger& Logger() {
  static spdlog::logger* const logger = [] {
    auto* made = new spdlog::logger("tidemark", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::warn);
    return made;
  }();
  return *logger;
}

constexpr char kHex[] = "0123456789abcdef";

// The length of the well-formed UTF-8 sequence at the front of `text`, 0 if there is none.
//   Source  Unicode 15, table 3-7 (no overlong forms, no surrogates, nothing past U+10FFFF).
size_t Utf8Length(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  if (text.size() < length || at(1) < low || at(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xbf) return 0;
  }
  return length;
}

// A JSON string literal, also used for logfmt values that need quotes. Control characters
// (C0, DEL, C1) and bytes that are not UTF-8 become \u00xx.
void AppendQuoted(std::string& to, std::string_view text) {
  const auto escape = [&to](unsigned char byte) {
    to += "\\u00";
    to += kHex[byte >> 4];
    to += kHex[byte & 15];
  };
  to += '"';
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const unsigned char byte = static_cast<unsigned char>(text[0]);
    if (length == 0) {
      escape(byte);
      text.remove_prefix(1);
      continue;
    }
    const bool c1 = length == 2 && byte == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
    if (byte == '"' || byte == '\\') {
      to += '\\';
      to += text[0];
    } else if (byte == '\n') {
      to += "\\n";
    } else if (byte == '\t') {
      to += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      escape(byte);
    } else if (c1) {
      escape(static_cast<unsigned char>(text[1]));
    } else {
      to.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  to += '"';
}

bool NeedsQuotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=') return true;
  }
  return false;
}

void AppendField(std::string& to, LogFormat format, std::string_view key, std::string_view value,
                 bool bare) {
  if (format == LogFormat::kJson) {
    to += to.empty() ? '{' : ',';
    AppendQuoted(to, key);
    to += ':';
    if (bare) {
      to += value;
    } else {
      AppendQuoted(to, value);
    }
    return;
  }
  if (!to.empty()) to += ' ';
  to += key;
  to += '=';
  if (NeedsQuotes(value)) {
    AppendQuoted(to, value);
  } else {
    to += value;
  }
}

// What every line begins with.
std::string BeginLine(LogFormat format, WallTime time, LogLevel level, std::string_view event) {
  std::string line;
  AppendField(line, format, "time", FormatRfc3339(time), false);
  AppendField(line, format, "level", LevelName(level), false);
  AppendField(line, format, "event", event, false);
  return line;
}

void Write(LogLevel level, const std::string& line) {
  Logger().log(SpdlogLevel(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

std::optional<LogLevel> ParseLogLevel(std::string_view text) {
  for (const auto& [name, value] : kLevels) {
    if (name == text) return value;
  }
  return std::nullopt;
}

std::optional<LogFormat> ParseLogFormat(std::string_view text) {
  if (text == "logfmt") return LogFormat::kLogfmt;
  if (text == "json") return LogFormat::kJson;
  return std::nullopt;
}

void ConfigureLog(LogLevel level, LogFormat format) {
  threshold.store(level, std::memory_order_relaxed);
  line_format.store(format, std::memory_order_relaxed);
}

bool LogEnabled(LogLevel level) {
  return level != LogLevel::kOff && level >= threshold.load(std::memory_order_relaxed);
}

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  Write(level, FormatLogLine(line_format.load(std::memory_order_relaxed), WallNow(), level, event,
                             fields));
}

void LogTexts(LogLevel level, std::string_view event,
              std::span<const std::pair<std::string, std::string>> fields) {
  if (!LogEnabled(level)) return;
  const LogFormat format = line_format.load(std::memory_order_relaxed);
  std::string line = BeginLine(format, WallNow(), level, event);
  for (const auto& [key, text] : fields) AppendField(line, format, key, text, /*bare=*/false);
  if (format == LogFormat::kJson) line += '}';
  Write(level, line);
}

std::string FormatLogLine(LogFormat format, WallTime time, LogLevel level, std::string_view event,
                          std::initializer_list<LogField> fields) {
  std::string line = BeginLine(format, time, level, event);
  for (const LogField& field : fields) {
    AppendField(line, format, field.key(), field.text(), field.bare());
  }
  if (format == LogFormat::kJson) line += '}';
  return line;
}

std::string FormatRfc3339(WallTime time) {
  int64_t millis = time.millis() % 1000;
  time_t seconds = static_cast<time_t>(time.millis() / 1000);
  if (millis < 0) {
    millis += 1000;
    --seconds;
  }
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  const size_t length = ::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.", &parts);
  std::string result(text, length);
  const std::string digits = std::to_string(millis);
  result.append(3 - digits.size(), '0').append(digits).append("Z");
  return result;
}

bool LogRateLimit::Allow(Instant now, uint64_t& suppressed) {
  if (last_ && now - *last_ < interval_) {
    ++suppressed_;
    return false;
  }
  last_ = now;
  suppressed = std::exchange(suppressed_, 0);
  return true;
}

}  // namespace tidemark
