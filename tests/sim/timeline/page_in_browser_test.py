"""The timeline's page in a real browser: it opens from a file, shows what is in it, and stays quick.

    page_in_browser_test.py OUT    writes its pages and pictures of them into the folder OUT
"""

import collections
import os
import struct
import subprocess
import sys
import unittest
import zlib

import browser
import planted

SIM = os.path.join(os.environ.get("TIDEMARK_BIN_DIR", "build/dev/bin"), "tidemark-sim")
OUT = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else "."
SEED = 3
MANY = 100_000
# The whole of a crowded run is drawn in less than this, on a shared machine without a GPU. (About
# 60 ms where it was written.)
DRAW_MS_MAX = 1000


def pixels(png):
    """Rows of (r, g, b) of an 8-bit PNG without interlacing."""
    at, width, channels, packed, rows = 8, 0, 0, b"", []
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        body = png[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, _, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert depth == 8 and not interlaced, "another kind of PNG than browsers write"
            channels = {2: 3, 6: 4}[color]
        elif kind == b"IDAT":
            packed += body
        at += length + 12
    data, stride = zlib.decompress(packed), width * channels
    before = bytearray(stride)
    for start in range(0, len(data), stride + 1):
        method, line = data[start], bytearray(data[start + 1:start + 1 + stride])
        for i in range(stride):
            left = line[i - channels] if i >= channels else 0
            up, corner = before[i], before[i - channels] if i >= channels else 0
            if method == 1:
                line[i] = line[i] + left & 255
            elif method == 2:
                line[i] = line[i] + up & 255
            elif method == 3:
                line[i] = line[i] + (left + up) // 2 & 255
            elif method == 4:
                guess = left + up - corner
                line[i] = line[i] + min((left, up, corner), key=lambda v: abs(guess - v)) & 255
        rows.append([tuple(line[i:i + 3]) for i in range(0, stride, channels)])
        before = line
    return rows


def luminance(color):
    parts = [int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a, b):
    """As WCAG 2.1 has it: 1 to 21."""
    bright, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


class Page(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        os.makedirs(OUT, exist_ok=True)
        cls.run_path = os.path.join(OUT, "run.html")
        subprocess.run([SIM, "timeline", "--seed", str(SEED), "-o", cls.run_path], check=True,
                       stdout=subprocess.DEVNULL)
        with open(cls.run_path) as file:
            cls.run_page = file.read()
        cls.browser = browser.Browser(browser.find())

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def tearDown(self):
        self.assertEqual(self.browser.complaints(), [])
        self.assertEqual(len(self.browser.requests()), 1, "the page fetched something")

    def open(self, path, width=1280, height=800, dark=False):
        self.browser.open(path, width, height, dark)

    def picture(self, name):
        """Takes a picture and holds that there is something on it, and on the lanes of it."""
        self.browser.screenshot(os.path.join(OUT, name + ".png"))
        box = self.browser.run("document.getElementById('scroll').getBoundingClientRect().toJSON()")
        small = self.browser.screenshot(os.path.join(OUT, name + "-lanes.png"),
                                        {**{side: box[side] for side in ("x", "y", "width", "height")},
                                         "scale": 0.3})
        lanes = [pixel for row in pixels(small) for pixel in row]
        self.assertGreater(len(set(lanes)), 50, f"{name} is nearly blank")
        most = collections.Counter(lanes).most_common(1)[0][1]
        self.assertLess(most / len(lanes), 0.9, f"{name} is nearly blank")

    def lanes(self):
        return self.browser.run(
            "[...document.querySelectorAll('.lane b')].map(lane => lane.textContent)")

    def look(self, script):
        return self.browser.run(f"(() => {{ const {{app, model, data}} = timeline; {script} }})()")

    def type(self, text):
        self.browser.key("/")
        self.browser.ask("Input.insertText", text=text)
        self.browser.key("Enter", "\r")

    def test_a_run_opens_from_its_file_with_a_lane_for_everybody(self):
        self.open(self.run_path)
        data = planted.data_of(self.run_page)
        self.assertEqual(self.lanes(), [lane["name"] for lane in data["lanes"]])
        self.assertEqual(self.browser.run("document.getElementById('badge').textContent"), "ok")
        self.assertIn(f"seed {SEED}", self.browser.run("document.title"))
        self.assertEqual(self.look("return data.columns.begin.length"), data["count"])
        self.picture("run")

    def test_nothing_is_wider_than_a_narrow_window_and_both_themes_can_be_read(self):
        for dark in (False, True):
            self.open(self.run_path, 420, 800, dark)
            self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 420)
            self.assertGreater(self.browser.run("document.getElementById('scroll').clientHeight"), 200)
            self.picture("narrow-dark" if dark else "narrow")
            color = self.browser.run(
                "(() => { const style = getComputedStyle(document.documentElement);"
                "return Object.fromEntries(['page', 'card', 'ink', 'soft', 'good', 'bad', 'leader',"
                "'leader-ink', 'follower', 'follower-ink', 'down', 'down-ink', 'match', 'faint'].map("
                "name => [name, style.getPropertyValue('--' + name).trim()])) })()")
            for text, ground in (("ink", "page"), ("ink", "card"), ("soft", "page"), ("soft", "card"),
                                 ("good", "page"), ("bad", "card"), ("leader-ink", "leader"),
                                 ("follower-ink", "follower"), ("down-ink", "down"),
                                 ("match", "card"), ("ink", "faint"), ("soft", "faint")):
                self.assertGreaterEqual(contrast(color[text], color[ground]), 4.5,
                                        f"{text} on {ground}, dark: {dark}")
        self.open(self.run_path, 1280, 800, dark=True)
        self.picture("run-dark")

    def test_long_names_and_verdicts_stay_inside_a_narrow_window(self):
        pages = planted.Planted(self.run_page)
        pages.fill(200, 10**9)
        pages.data["run"] = "failures/everything-18446744073709551615-of-yesterday.json"
        for lane in pages.data["lanes"]:
            lane["name"] = lane["name"].replace("node ", "node 429496729")
        pages.fail("acked_durability", "group 1: " + "said at length, " * 40, [["group", 1]], 10**9)
        path = os.path.join(OUT, "long.html")
        pages.write(path)
        self.open(path, 420, 800)
        self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 420)
        self.assertGreater(self.browser.run("document.getElementById('scroll').clientHeight"), 100)
        self.assertEqual(len(set(self.lanes())), len(pages.data["lanes"]))
        self.assertTrue(self.browser.run("[...document.querySelectorAll('.lane b')].every("
                                         "name => name.scrollWidth <= name.clientWidth)"))
        self.browser.key("v")
        self.assertEqual(self.browser.run("document.getElementById('found').textContent"), "40 found")

    def test_a_search_finds_the_one_mark_that_was_planted(self):
        pages = planted.Planted(self.run_page)
        pages.fill(2000, 10**9)
        pages.add("note", 640_000_001, lane=1, text="needle </script><b>found=1")
        path = os.path.join(OUT, "planted.html")
        pages.write(path)
        self.open(path)
        self.browser.run("timeline.app.look(0, 1e7)")
        self.type("needle -kind:role node:2")
        self.assertEqual(self.browser.run("document.getElementById('found').textContent"), "1 of 1")
        self.assertEqual(self.look("return data.columns.begin[app.state.selected]"), 640_000_001)
        self.assertTrue(self.look("return app.state.view.from < 640000001 && "
                                  "640000001 < app.state.view.to"))
        self.assertIn("needle </script><b>found=1",
                      self.browser.run("document.getElementById('details').textContent"))
        self.browser.key("Escape")
        self.assertEqual(self.browser.run("document.getElementById('search').value"), "")

    def test_fields_of_a_search_mean_what_they_say(self):
        pages = planted.Planted(self.run_page)
        pages.fill(3, 10**9)
        pages.data["lanes"].append({"name": "node 12", "node": True})
        pages.add("appended", 100, lane=0, group=1, term=4, index=5, entries=3, offset=50, offsets=9)
        pages.add("append", 200, length=50, lane=1, peer=0, group=1, term=4, index=7, entries=1)
        pages.add("vote", 300, length=10, lane=4, peer=1, group=0, term=5, outcome=2)
        path = os.path.join(OUT, "fields.html")
        pages.write(path)
        self.open(path)
        # The starts of three nodes come first.
        for query, expected in (("index:7", [3, 4]), ("index:8", []), ("offset:58", [3]),
                                ("offset:59", []), ("term:4", [3, 4]), ("term:5..", [5]),
                                ("node:2 -kind:start", [4, 5]), ("node:12", [5]), ("to:1", [4]),
                                ("from:1 kind:log", [3]), ("group:orders", [3, 4]), ("lost", [5]),
                                ("outcome:lost kind:votes", [5]), ('lane:"node 12"', [5]),
                                ("t:0.00000024..1", [4, 5]), ("start node:3", [2]), ("t:x", [])):
            self.assertEqual(self.look(f"app.lookFor({query!r}); return app.state.matches"), expected,
                             query)

    def test_a_verdict_is_shown_with_the_records_it_is_about(self):
        pages = planted.Planted(self.run_page)
        pages.fill(3000, 2 * 10**9)
        pages.fail("state_machine", "group 1 index 150: node 2 committed an entry that differs",
                   [["group", 1], ["index", 150], ["node", 2]], 2 * 10**9)
        path = os.path.join(OUT, "failed.html")
        pages.write(path)
        self.open(path)
        self.assertEqual(self.browser.run("document.getElementById('badge').textContent"),
                         "FAILED state_machine")
        self.assertIn("node 2 committed an entry",
                      self.browser.run("document.getElementById('verdict-text').textContent"))
        about = sum(mark["group"] == 1 and mark["index"] <= 150 < mark["index"] + mark["entries"]
                    for mark in pages.marks)
        self.assertGreater(about, 3)
        self.assertEqual(self.look("return model.offending.length"), about)
        self.browser.key("v")
        self.assertTrue(self.look("return app.state.view.to > data.end"))
        self.assertEqual(self.look("return app.state.matches.length"), about)
        self.picture("failed")
        self.browser.key("n")
        self.assertIn("150", self.browser.run("document.getElementById('details').textContent"))

    def test_kinds_and_groups_can_be_hidden(self):
        self.open(self.run_path)
        before = self.look("return app.state.shown.reduce((a, b) => a + b, 0)")
        box = self.browser.run("document.querySelector('[data-family=gossip]')"
                               ".getBoundingClientRect().toJSON()")
        self.browser.click(box["x"] + 10, box["y"] + 10)
        hidden = self.look("return data.columns.kind.filter(k => k === data.kindOf.gossip).length")
        self.assertGreater(hidden, 0)
        self.assertEqual(self.look("return app.state.shown.reduce((a, b) => a + b, 0)"),
                         before - hidden)
        self.browser.key("g")
        self.assertEqual(self.look("return app.state.group"), 0)
        self.assertEqual(self.look("return data.columns.group.filter((g, i) => "
                                   "g > 0 && app.state.shown[i]).length"), 0)

    def test_a_mark_under_the_pointer_is_told_and_a_click_keeps_it(self):
        pages = planted.Planted(self.run_page)
        pages.fill(3, 10**9)
        pages.add("kill", 5 * 10**8, lane=1)
        path = os.path.join(OUT, "pointer.html")
        pages.write(path)
        self.open(path)
        spot = self.look("const box = document.getElementById('lanes').getBoundingClientRect();"
                         "const lane = document.querySelectorAll('.lane')[2].getBoundingClientRect();"
                         "const gutter = document.getElementById('gutter').offsetWidth;"
                         "const {from, to} = app.state.view;"
                         "return [box.left + gutter + (5e8 - from) / (to - from) * (box.width - gutter),"
                         " lane.top + 6]")
        self.browser.mouse("mouseMoved", *spot)
        self.browser.settle()
        self.assertIn("is killed", self.browser.run("document.getElementById('tip').textContent"))
        self.browser.click(*spot)
        self.assertIn("node 2: kill",
                      self.browser.run("document.getElementById('details').textContent"))

    def test_a_hundred_thousand_marks_stay_quick(self):
        pages = planted.Planted(self.run_page)
        pages.fill(MANY, 60 * 10**9)
        path = os.path.join(OUT, "many.html")
        pages.write(path)
        self.open(path)
        self.assertEqual(self.look("return data.count"), MANY)
        self.assertLessEqual(self.look("return app.stats.frames"), 4)
        self.picture("many")
        # One frame for each thing a hand does, and none when it rests.
        before = self.look("return app.stats.frames")
        for key in ("+",) * 14 + ("ArrowRight",) * 4:
            self.browser.key(key)
        self.assertLessEqual(self.look("return app.stats.frames") - before, 18)
        self.assertGreater(self.look("return app.stats.arrows"), 0)
        self.picture("many-near")
        before = self.look("return app.stats.frames")
        self.browser.settle()
        self.assertEqual(self.look("return app.stats.frames"), before)
        self.type("index:5000..5010")
        self.assertGreater(self.look("return app.state.matches.length"), 30)
        worst = self.look("return app.stats.worstMs")
        print(f"\n{MANY} marks: {worst:.0f} ms for the slowest frame, "
              f"{os.path.getsize(path) / MANY:.1f} bytes a mark")
        self.assertLess(worst, DRAW_MS_MAX)


if __name__ == "__main__":
    if browser.find() is None:
        print("SKIPPED: no browser; install one of", ", ".join(browser.NAMES))
        sys.exit(0)
    unittest.main()
