// The marks themselves, the map of the whole run, and which mark is under the pointer.
const marks = (() => {
  const {c, K} = model;
  // More arrows than this for each point of width are a carpet: then lanes show how many there are.
  const kArrowsPerPoint = 0.5;
  const kLabelsMax = 70;
  const noMark = -1;
  const repeated = data.outcomes.indexOf('repeated');

  // What happened to a node or client and is worth words where there is room.
  const spoken = new Set(
      ['power_loss', 'kill', 'shutdown', 'stopped', 'start', 'pause', 'disk_full', 'disk_space',
       'rot', 'clock', 'storage_failed', 'reopened', 'removed', 'refused'].map((name) => K[name]));
  const quiet = new Set(['note', 'member', 'link_up', 'link_down', 'trimmed'].map((n) => K[n]));
  const ticksOf = {  // from the top of a node's rows of the log: how far, how high, which colour
    found: [0, 8, 'log'], appended: [0, 8, 'log'], cut: [-1, 18, 'cut'],
    committed: [9, 8, 'commit'],
  };
  const tickOfKind = data.kinds.map(([name]) => ticksOf[name]);
  const colorOfKind = data.kinds.map(([name, family]) => ({
    ack: 'commit', append_reply: 'appends', heartbeat: 'heartbeats', heartbeat_reply: 'heartbeats', block: 'block',
    storage_failed: 'fault', rot: 'fault', start: 'good', disk_full: 'disk', phase: 'accent',
    refused: 'cut', clock: 'notes',
  }[name] || {roles: 'leader', faults: 'fault', log: 'log'}[family] || family));
  const isBeat = (kind) => kind === K.heartbeat || kind === K.heartbeat_reply;
  // Of a producer's batches under way each has a line of its own, as far as there are lines.
  const batchRow = (i) => c.batch[i] % 3;

  function yOf(i, at) {
    const lane = c.lane[i];
    if (lane < 0 || c.kind[i] === K.block) return at.network / 2;
    const {y, h, node, anchor} = at.lanes[lane];
    if (!node) {
      if (c.kind[i] === K.batch) return y + 6 + batchRow(i) * 4;
      return y + (model.isMessage[c.kind[i]] ? 21 : 25);
    }
    const tick = tickOfKind[c.kind[i]];
    if (tick) return y + 37 + tick[0] + tick[1] / 2;
    if (c.kind[i] === K.role) return y + 23;
    if (c.kind[i] === K.flush) return y + h - 9;
    if (model.isMessage[c.kind[i]]) return anchor;
    return quiet.has(c.kind[i]) ? anchor + 9 : y + 5;
  }

  // The marks in view that are shown, ascending by begin.
  function inView(state) {
    const {from, to} = state.view;
    const list = [];
    for (const i of model.long) {
      if (state.shown[i] && c.begin[i] <= to && model.finish[i] >= from) list.push(i);
    }
    const stop = model.firstAt(to);
    for (let i = model.firstAt(from - model.reach); i < stop; ++i) {
      if (state.shown[i] && model.finish[i] >= from && model.finish[i] - c.begin[i] <= model.reach) {
        list.push(i);
      }
    }
    return list;
  }

  function arrow(g, at, i, tip) {
    const x0 = at.x(c.begin[i]);
    const y0 = yOf(i, at);
    let x1 = at.x(model.finish[i]);
    const to = at.lanes[c.peer[i]];
    if (!to) return null;
    let y1 = to.anchor;
    const arrives = c.outcome[i] === 0 || c.outcome[i] === repeated;
    if (!arrives) {
      if (x1 <= x0) x1 = x0 + 14;
      x1 = x0 + (x1 - x0) * 0.5;
      y1 = y0 + (y1 - y0) * 0.5;
    }
    g.moveTo(x0, y0);
    g.lineTo(x1, y1);
    if (c.outcome[i] !== 1) tip.push(x1, y1, Math.atan2(y1 - y0, x1 - x0), arrives ? 1 : 0);
    return {x0, y0, x1, y1};
  }

  function arrows(g, at, list, state) {
    const byColor = new Map();
    for (const i of list) {
      const key = colorOfKind[c.kind[i]];
      if (!byColor.has(key)) byColor.set(key, []);
      byColor.get(key).push(i);
    }
    const dense = list.length > 600;
    for (const [color, some] of byColor) {
      const tips = [];
      g.strokeStyle = g.fillStyle = draw.color(color);
      g.lineWidth = 1;
      g.globalAlpha = dense ? 0.4 : 0.8;
      g.beginPath();
      for (const i of some) arrow(g, at, i, tips);
      g.stroke();
      if (!dense) heads(g, tips);
      g.globalAlpha = 1;
    }
    if (list.length > kLabelsMax) return;
    arrowWords(g, at, list);
  }

  // Names beside where arrows begin, as long as no two are in each other's way.
  function arrowWords(g, at, list) {
    const taken = [];
    g.font = draw.font(10.5);
    g.textBaseline = 'middle';
    g.textAlign = 'left';
    for (const i of list) {
      const x = at.x(c.begin[i]) + 5;
      if (c.kind[i] === K.gossip || x < at.gutter) continue;
      const below = (at.lanes[c.peer[i]]?.anchor ?? 0) > yOf(i, at);
      const what = c.entries[i] > 0 ? model.entries(i).replace(/^index(es)? /, '') : '';
      const words = `${model.kindName[c.kind[i]].replace('_', ' ')} ${what}`;
      const width = g.measureText(words).width;
      for (const away of [9, 21, -9, -21]) {
        const y = yOf(i, at) + (below ? away : -away);
        const free = !taken.some((t) => x < t.x1 + 4 && x + width > t.x0 - 4 && Math.abs(y - t.y) < 11);
        if (!free) continue;
        taken.push({x0: x, x1: x + width, y});
        g.globalAlpha = 0.8;
        g.fillStyle = draw.color('card');
        g.fillRect(x - 1, y - 6, width + 2, 12);
        g.globalAlpha = 1;
        g.fillStyle = draw.color(isBeat(c.kind[i]) ? 'soft' : colorOfKind[c.kind[i]]);
        g.fillText(words, x, y);
        break;
      }
    }
  }

  function heads(g, tips) {
    for (let n = 0; n < tips.length; n += 4) {
      const [x, y, angle, arrives] = tips.slice(n, n + 4);
      g.beginPath();
      if (arrives) {
        g.moveTo(x, y);
        g.lineTo(x - 7 * Math.cos(angle - 0.4), y - 7 * Math.sin(angle - 0.4));
        g.lineTo(x - 7 * Math.cos(angle + 0.4), y - 7 * Math.sin(angle + 0.4));
        g.fill();
      } else {
        g.lineWidth = 1.6;
        g.strokeStyle = draw.color('fault');
        g.moveTo(x - 3.5, y - 3.5);
        g.lineTo(x + 3.5, y + 3.5);
        g.moveTo(x - 3.5, y + 3.5);
        g.lineTo(x + 3.5, y - 3.5);
        g.stroke();
      }
    }
  }

  // How many messages leave each lane, where there are too many for arrows; what got lost is on top.
  function density(g, at, list, width) {
    const kBin = 3;
    const bins = Math.ceil(width / kBin) + 1;
    const all = at.lanes.map(() => new Uint16Array(bins));
    const lost = at.lanes.map(() => new Uint16Array(bins));
    for (const i of list) {
      const bin = Math.floor(at.x(c.begin[i]) / kBin);
      if (bin < 0 || bin >= bins || c.lane[i] < 0) continue;
      ++all[c.lane[i]][bin];
      if (c.outcome[i] > 1 && c.outcome[i] !== repeated) ++lost[c.lane[i]][bin];
    }
    for (const [lane, {h, node, anchor}] of at.lanes.entries()) {
      const top = node ? Math.max(9, h * 0.2) : 7;
      const base = node ? anchor + 9 : anchor + 11;
      const scale = (n) => Math.min(top, Math.log2(1 + n) * top / 7);
      for (const [counts, color] of [[all[lane], 'heartbeats'], [lost[lane], 'fault']]) {
        g.fillStyle = draw.color(color);
        g.globalAlpha = color === 'fault' ? 0.75 : 0.6;
        for (let bin = 0; bin < bins; ++bin) {
          if (counts[bin]) g.fillRect(bin * kBin, base - scale(counts[bin]), kBin - 0.5, scale(counts[bin]));
        }
      }
      g.globalAlpha = 1;
    }
  }

  function spans(g, at, i, drawn) {
    const lane = c.lane[i];
    const x0 = Math.max(at.x(c.begin[i]), g.leftEdge - 4);
    const x1 = Math.min(at.x(model.finish[i]), g.rightEdge + 4);
    const bad = c.outcome[i] > 1;
    const row = lane * 8 + (c.kind[i] === K.batch ? 1 + batchRow(i) : 0);
    if (!bad && x1 <= drawn[row]) return;
    drawn[row] = Math.max(drawn[row], x1 + 0.5);
    const open = c.outcome[i] === 1;
    g.fillStyle = draw.color(bad ? 'fault' : c.kind[i] === K.batch ? 'clients' : 'disk');
    g.globalAlpha = bad ? 1 : open ? 0.4 : 0.72;
    if (c.kind[i] === K.batch) {
      g.fillRect(x0, yOf(i, at) - 1.5, Math.max(x1 - x0, 1), 3);
    } else {
      g.fillRect(x0, yOf(i, at) - (bad ? 6 : 4), Math.max(x1 - x0, bad ? 3 : 1), bad ? 11 : 8);
    }
    g.globalAlpha = 1;
    if (c.kind[i] === K.flush && !bad && x1 - x0 > 70 && x0 >= drawn[row + 4]) {
      drawn[row + 4] = Math.max(x0, g.leftEdge) + 90;
      draw.label(g, [`flush ${c.bytes[i]} B`], x0, x1, yOf(i, at) + 0.5, draw.color('flush-ink'), 10, 600);
    }
  }

  function dot(g, at, i, spots) {
    const x = at.x(c.begin[i]);
    const y = yOf(i, at);
    const tick = tickOfKind[c.kind[i]];
    const key = (c.lane[i] * 64 + c.kind[i]) * 8192 + Math.round(x);
    if (spots.has(key)) return;
    spots.add(key);
    g.fillStyle = draw.color(colorOfKind[c.kind[i]]);
    if (tick && c.lane[i] >= 0 && at.lanes[c.lane[i]].node) {
      g.fillStyle = draw.color(tick[2]);
      if (c.kind[i] === K.found) g.globalAlpha = 0.5;
      const width = c.kind[i] === K.cut ? 3 : 2;
      g.fillRect(x - width / 2, y - tick[1] / 2, width, tick[1]);
      g.globalAlpha = 1;
    } else if (c.kind[i] === K.ack || c.kind[i] === K.delivered) {
      g.fillRect(x - 0.8, y - 5, 1.6, 10);
    } else if (c.kind[i] === K.role || c.kind[i] === K.block) {
      return;
    } else {
      const size = quiet.has(c.kind[i]) ? 2 : c.kind[i] === K.refused ? 2.5 : 4;
      g.beginPath();
      if (spoken.has(c.kind[i]) && size === 4) {
        g.moveTo(x, y - 5);
        g.lineTo(x + 5, y);
        g.lineTo(x, y + 5);
        g.lineTo(x - 5, y);
      } else {
        g.arc(x, y, size, 0, 7);
      }
      g.fill();
    }
  }

  // Words beside what is worth them, where they do not run into each other.
  function words(g, at, list) {
    const free = new Float64Array(at.lanes.length).fill(-1e9);
    g.font = draw.font(10.5, 500);
    g.textBaseline = 'middle';
    g.textAlign = 'left';
    for (let n = 0; n < list.length; ++n) {
      const i = list[n];
      const lane = c.lane[i];
      if (lane < 0 || !at.lanes[lane].node || !spoken.has(c.kind[i])) continue;
      const x = at.x(c.begin[i]) + 8;
      const text = model.say(i).split(':')[0].replace(/^(is|has) /, '');
      const width = g.measureText(text).width;
      const next = list.slice(n + 1, n + 200).find((j) => c.lane[j] === lane && spoken.has(c.kind[j]));
      const room = next === undefined ? Infinity : at.x(c.begin[next]) - 6;
      if (x < free[lane] || x + width > room || x < at.gutter) continue;
      free[lane] = x + width + 10;
      g.fillStyle = draw.color('card');
      g.globalAlpha = 0.8;
      g.fillRect(x - 2, yOf(i, at) - 5, width + 4, 11);
      g.globalAlpha = 1;
      g.fillStyle = draw.color(colorOfKind[c.kind[i]]);
      g.fillText(text, x, yOf(i, at) + 0.5);
    }
  }

  function ring(g, at, i, color, size) {
    if (c.lane[i] < 0) return;
    g.strokeStyle = draw.color(color);
    g.lineWidth = 1.8;
    g.beginPath();
    if (model.isMessage[c.kind[i]] && size > 6) {
      arrow(g, at, i, []);
    } else if (model.isSpan[c.kind[i]]) {
      const x = at.x(c.begin[i]);
      g.rect(x - 2, yOf(i, at) - 6, Math.max(at.x(model.finish[i]) - x, 2) + 4, 12);
    } else {
      g.arc(at.x(c.begin[i]), yOf(i, at), size, 0, 7);
    }
    g.stroke();
  }

  function rings(g, at, some, state, color, size) {
    const spots = new Set();
    for (const i of some) {
      if (c.begin[i] > state.view.to || model.finish[i] < state.view.from) continue;
      const key = Math.round(at.x(c.begin[i]) / 3) * 64 + c.lane[i];
      if (spots.has(key)) continue;
      spots.add(key);
      ring(g, at, i, color, size);
    }
  }

  function line(g, at, time, color, width, dash = []) {
    const x = at.x(time);
    if (x < at.gutter) return;
    g.strokeStyle = draw.color(color);
    g.lineWidth = width;
    g.setLineDash(dash);
    g.beginPath();
    g.moveTo(x, 0);
    g.lineTo(x, at.height);
    g.stroke();
    g.setLineDash([]);
  }

  // Draws everything that is shown; returns how many arrows that were.
  function all(g, at, state, width) {
    const list = inView(state);
    const messages = list.filter((i) => model.isMessage[c.kind[i]]);
    g.save();
    g.beginPath();
    g.rect(at.gutter, 0, width - at.gutter, at.height);
    g.clip();
    const drawn = new Float64Array(at.lanes.length * 8).fill(-1e9);
    const spots = new Set();
    const few = messages.length <= kArrowsPerPoint * (width - at.gutter);
    if (!few) density(g, at, messages, width);
    for (const i of list) {
      if (c.kind[i] === K.flush || c.kind[i] === K.batch) spans(g, at, i, drawn);
    }
    if (few) arrows(g, at, messages, state);
    for (const i of list) {
      if (c.kind[i] === K.phase) line(g, at, c.begin[i], 'accent', 1, [5, 4]);
      else if (!model.isMessage[c.kind[i]] && !model.isSpan[c.kind[i]] && c.lane[i] >= 0) {
        dot(g, at, i, spots);
      }
    }
    words(g, at, list);
    if (state.matches && state.query !== 'is:offending') rings(g, at, state.matches, state, 'match', 6);
    rings(g, at, model.offending, state, 'bad', 7.5);
    if (model.verdictMark >= 0) line(g, at, c.begin[model.verdictMark], 'bad', 2);
    if (state.selected !== noMark) {
      line(g, at, c.begin[state.selected], 'accent', 1, [2, 3]);
      ring(g, at, state.selected, 'accent', 10);
    }
    g.restore();
    return few ? messages.length : 0;
  }

  function toSegment(px, py, s) {
    const dx = s.x1 - s.x0;
    const dy = s.y1 - s.y0;
    const t = Math.max(0, Math.min(1, ((px - s.x0) * dx + (py - s.y0) * dy) / (dx * dx + dy * dy || 1)));
    return Math.hypot(px - s.x0 - t * dx, py - s.y0 - t * dy);
  }

  // The mark nearest to a point, within reach of a hand.
  function under(px, py, at, state, width) {
    let best = noMark;
    let least = 8;
    const list = inView(state);
    const few = list.filter((i) => model.isMessage[c.kind[i]]).length <=
        kArrowsPerPoint * (width - at.gutter);
    if (py < at.network) {
      const time = at.time(px);
      const span = model.blocked.find((s) => s.begin <= time && time < s.end);
      if (span) return span.mark;
    }
    const path = new Path2D();
    for (const i of list) {
      let distance;
      if (model.isMessage[c.kind[i]]) {
        if (!few) continue;
        const s = arrow(path, at, i, []);
        if (!s) continue;
        distance = toSegment(px, py, s) + 2;
      } else if (c.kind[i] === K.role) {
        const {y} = at.lanes[c.lane[i]];
        if (py < y + 12 || py > y + 34) continue;
        distance = Math.abs(px - at.x(c.begin[i])) + 1;
      } else {
        const x0 = at.x(c.begin[i]);
        const x1 = at.x(model.finish[i]);
        const inside = px < x0 ? x0 - px : px > x1 ? px - x1 : 0;
        const dy = c.lane[i] < 0 ? Math.max(0, py - at.network) : Math.abs(py - yOf(i, at));
        distance = Math.hypot(inside, dy);
      }
      if (distance < least) {
        least = distance;
        best = i;
      }
    }
    return best;
  }

  // The whole run in one strip: how much happens, what goes wrong, who leads, what was searched.
  function map(g, state, width, height, gutter) {
    const x = (time) => gutter + time / model.end * (width - gutter - 8);
    g.fillStyle = draw.color('page');
    g.fillRect(0, 0, width, height);
    const bins = new Uint32Array(Math.ceil(width / 2) + 1);
    for (let i = 0; i < data.count; ++i) if (state.shown[i]) ++bins[Math.floor(x(c.begin[i]) / 2)];
    const most = Math.max(1, ...bins);
    g.fillStyle = draw.color('heartbeats');
    for (const [bin, n] of bins.entries()) {
      const h = Math.sqrt(n / most) * (height - 26);
      if (n) g.fillRect(bin * 2, height - 8 - h, 1.6, h);
    }
    g.fillStyle = draw.color('block');
    for (const span of model.blocked) g.fillRect(x(span.begin), 3, Math.max(x(span.end) - x(span.begin), 1.5), 4);
    g.fillStyle = draw.color('down');
    for (const lane of model.nodes) {
      for (const span of model.down[lane]) {
        g.fillRect(x(span.begin), 9, Math.max(x(span.end) - x(span.begin), 1.5), 4);
      }
    }
    for (const [some, color] of [[state.matches || [], 'match'], [model.offending, 'bad']]) {
      g.fillStyle = draw.color(color);
      for (const i of some) g.fillRect(x(c.begin[i]) - 0.75, height - 7, 1.5, 6);
    }
    if (model.verdictMark >= 0) g.fillRect(x(c.begin[model.verdictMark]) - 1, 0, 2, height);
    const from = x(Math.max(0, state.view.from));
    const to = Math.max(x(Math.min(model.end, state.view.to)), from + 3);
    g.fillStyle = draw.color('page');
    g.globalAlpha = 0.62;
    g.fillRect(gutter, 0, from - gutter, height);
    g.fillRect(to, 0, width - to, height);
    g.globalAlpha = 1;
    g.strokeStyle = draw.color('accent');
    g.lineWidth = 1.5;
    g.strokeRect(from, 1, to - from, height - 2);
    g.fillStyle = draw.color('soft');
    g.font = draw.font(10.5);
    g.textAlign = 'left';
    g.textBaseline = 'middle';
    g.fillText('partitions', 8, 5.5);
    g.fillText('down', 8, 16);
    g.fillText('all marks', 8, height - 22);
    return (px) => (px - gutter) / (width - gutter - 8) * model.end;
  }

  return {all, under, map, colorOfKind, noMark};
})();
