// Where things are on the canvas, and what lies under the marks: lanes, roles, absences, partitions.
const draw = (() => {
  const {c} = model;
  const kNetworkHeight = data.lanes.some((lane, i) => lane.node) && model.nodes.length > 1 ? 24 : 0;
  const font = (size, weight = 400) =>
      `${weight} ${size}px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif`;

  let colors = {};
  function readColors() {
    const style = getComputedStyle(document.documentElement);
    colors = new Proxy({}, {
      get: (known, name) => (known[name] ??= style.getPropertyValue(`--${name}`).trim()),
    });
  }

  // The lanes from top to bottom in a stage of `height`: nodes are tall, clients are not.
  function layout(height, gutter) {
    const clients = data.lanes.length - model.nodes.length;
    const clientHeight = 34;
    const room = height - kNetworkHeight - clients * clientHeight;
    const nodeHeight = Math.max(80, Math.min(170, Math.floor(room / Math.max(1, model.nodes.length))));
    const lanes = [];
    let y = kNetworkHeight;
    for (const [i, lane] of data.lanes.entries()) {
      const h = lane.node ? nodeHeight : clientHeight;
      // Where messages leave from and come to.
      lanes.push({y, h, node: lane.node, anchor: lane.node ? y + Math.round(h * 0.68) : y + 21});
      y += h;
    }
    return {lanes, gutter, height: Math.max(y, height), network: kNetworkHeight};
  }

  const step = (span, width) => {
    const wanted = span * 110 / width;
    const power = 10 ** Math.floor(Math.log10(wanted));
    return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= wanted);
  };

  function seconds(time, unit) {
    const digits = Math.max(0, Math.min(9, Math.ceil(9 - Math.log10(unit))));
    return `${(time / 1e9).toFixed(digits)} s`;
  }

  // Calls `each(x, time, unit)` for the ticks in view.
  function ticks(view, width, each) {
    const unit = step(view.to - view.from, width);
    for (let n = Math.ceil(view.from / unit); n * unit <= view.to; ++n) each(n * unit, unit);
  }

  function axis(g, view, at, width) {
    g.clearRect(0, 0, width, 26);
    g.font = font(11);
    g.fillStyle = colors.soft;
    g.strokeStyle = colors.line;
    g.textAlign = 'center';
    g.textBaseline = 'middle';
    ticks(view, width - at.gutter, (time, unit) => {
      const x = at.x(time);
      if (x < at.gutter + 24 || x > width - 30) return;
      g.fillRect(Math.round(x), 20, 1, 6);
      g.fillText(seconds(time, unit), x, 11);
    });
    g.textAlign = 'left';
    g.fillText('time', 8, 11);
  }

  // A label inside [x0, x1] if it fits there.
  function label(g, words, x0, x1, y, color, size = 11, weight = 500) {
    const left = Math.max(x0, g.leftEdge) + 5;
    const room = x1 - left - 4;
    if (room < 16) return;
    g.font = font(size, weight);
    const fitting = words.find((text) => g.measureText(text).width <= room);
    if (!fitting) return;
    g.fillStyle = color;
    g.textAlign = 'left';
    g.textBaseline = 'middle';
    g.fillText(fitting, left, y);
  }

  let hatches = {};
  function hatch(g, color, gap) {
    const key = color + gap;
    if (!hatches[key]) {
      const tile = document.createElement('canvas');
      tile.width = tile.height = gap;
      const t = tile.getContext('2d');
      t.strokeStyle = color;
      t.lineWidth = 1.2;
      t.beginPath();
      for (const shift of [-gap, 0, gap]) {
        t.moveTo(shift, gap);
        t.lineTo(shift + gap, 0);
      }
      t.stroke();
      hatches[key] = g.createPattern(tile, 'repeat');
    }
    return hatches[key];
  }

  function box(g, at, span, y, h, least = 1) {
    const x0 = Math.max(at.x(span.begin), g.leftEdge - 2);
    const x1 = Math.min(at.x(span.end), g.rightEdge + 2);
    if (x1 < g.leftEdge || x0 > g.rightEdge) return null;
    return {x: x0, y, w: Math.max(x1 - x0, least), h};
  }

  const roleColor = {
    'leader': ['leader', 'leader-ink'],
    'candidate': ['candidate', 'ink'],
    'pre-candidate': ['precandidate', 'ink'],
    'follower': ['follower', 'follower-ink'],
  };

  // The groups that somebody is a member of in view: topics come and go.
  function groupsInView({view, group}) {
    const seen = new Set();
    for (const lane of model.nodes) {
      for (const [id, spans] of model.roles[lane]) {
        if (group !== null && id !== group) continue;
        if (spans.some((s) => s.begin < view.to && s.end > view.from)) seen.add(id);
      }
    }
    return [...seen].sort((a, b) => a - b);
  }

  function roleStrips(g, at, lane, groups) {
    const top = at.lanes[lane].y + 12;
    const height = 22 / Math.max(1, groups.length);
    for (const [row, group] of groups.entries()) {
      const y = top + row * height;
      for (const span of model.roles[lane].get(group) || []) {
        const b = box(g, at, span, y, Math.max(height - (height > 4 ? 1 : 0), 1));
        if (!b) continue;
        const role = model.text(span.mark);
        const [fill, ink] = roleColor[role];
        g.fillStyle = colors[fill];
        g.fillRect(b.x, b.y, b.w, b.h);
        if (b.w > 3) {
          g.fillStyle = colors.card;
          g.fillRect(b.x, b.y, 1, b.h);
        }
        const term = c.term[span.mark];
        const middle = b.y + b.h / 2 + 0.5;
        if (groups.length === 1 && b.w > 20) {
          const words = [`${role} · term ${term}`, `${role} ${term}`, `t${term}`];
          label(g, words, b.x, b.x + b.w, middle, colors[ink]);
        } else if (height > 9 && b.w > 20) {
          const name = model.groupName(group);
          label(g, [`${name} · ${role} · term ${term}`, `${name} · t${term}`, `t${term}`], b.x,
                b.x + b.w, middle, colors[ink], 9.5);
        }
      }
    }
  }

  function absences(g, at, lane) {
    const {y, h} = at.lanes[lane];
    for (const span of model.down[lane]) {
      const b = box(g, at, span, y + 4, h - 8, 2);
      if (!b) continue;
      g.fillStyle = colors.faint;
      g.fillRect(b.x, b.y, b.w, b.h);
      g.fillStyle = hatch(g, colors.down, 7);
      g.globalAlpha = 0.55;
      g.fillRect(b.x, b.y, b.w, b.h);
      g.globalAlpha = 1;
      g.fillStyle = colors.down;
      g.fillRect(b.x, b.y, 2, b.h);
      const why = {power_loss: 'no power', kill: 'killed', stopped: 'shut down'};
      const words = why[model.kindName[c.kind[span.mark]]];
      if (b.w > 26) {
        g.font = font(11, 600);
        const left = Math.max(b.x, g.leftEdge) + 6;
        const width = g.measureText(words).width;
        if (b.x + b.w - left > width + 8) {
          g.fillStyle = colors.down;
          g.fillRect(left - 3, b.y + 5, width + 8, 17);
          label(g, [words], left - 4, b.x + b.w, b.y + 14, colors['down-ink'], 11, 600);
        }
      }
    }
    for (const span of model.paused[lane]) {
      const b = box(g, at, span, y + 35, h - 39, 2);
      if (!b) continue;
      g.fillStyle = hatch(g, colors.pause, 5);
      g.globalAlpha = 0.5;
      g.fillRect(b.x, b.y, b.w, b.h);
      g.globalAlpha = 1;
      label(g, ['paused'], b.x, b.x + b.w, b.y + 9, colors.pause, 11, 600);
    }
    for (const span of model.full[lane]) {
      const b = box(g, at, span, y + h - 16, 12, 2);
      if (!b) continue;
      g.fillStyle = colors.disk;
      g.globalAlpha = 0.35;
      g.fillRect(b.x, b.y, b.w, b.h);
      g.globalAlpha = 1;
      label(g, ['disk full'], b.x, b.x + b.w, b.y + 6, colors.ink, 10, 600);
    }
  }

  // Who is cut from whom, as short as it can be said: "1 2 | 3" if there are sides that hear
  // nothing of each other and everything of their own, else pair by pair.
  function pairsText(pairs) {
    const number = (lane) => model.shortName(Number(lane)).replace('node ', '');
    const set = new Set(pairs);
    const sides = [];
    for (const node of model.nodes) {
      const side = sides.find(([first]) => !set.has(`${first} ${node}`));
      if (side) side.push(node);
      else sides.push([node]);
    }
    const sideOf = (node) => sides.findIndex((side) => side.includes(node));
    const split = model.nodes.every((a) => model.nodes.every(
        (b) => a === b || set.has(`${a} ${b}`) === (sideOf(a) !== sideOf(b))));
    if (split) return sides.map((side) => side.map(number).join(' ')).join(' | ');
    const parts = [];
    for (const pair of pairs) {
      const [from, to] = pair.split(' ');
      const both = set.has(`${to} ${from}`);
      if (both && from > to) continue;
      parts.push(`${number(from)}${both ? '↮' : '↛'}${number(to)}`);
    }
    return parts.join(' ');
  }

  // Each partition shades the time it lasts, on the nodes that it touches.
  function partitions(g, at) {
    for (const span of model.blocked) {
      const b = box(g, at, span, 2, kNetworkHeight - 5, 2);
      if (!b) continue;
      const touched = new Set(span.pairs.flatMap((pair) => pair.split(' ').map(Number)));
      g.fillStyle = colors.block;
      for (const lane of touched) {
        g.globalAlpha = 0.13;
        g.fillRect(b.x, at.lanes[lane].y, b.w, at.lanes[lane].h);
      }
      g.globalAlpha = 0.85;
      g.fillRect(b.x, b.y, b.w, b.h);
      g.globalAlpha = 1;
      label(g, [`partition ${pairsText(span.pairs)}`, pairsText(span.pairs), 'partition'], b.x,
            b.x + b.w, b.y + b.h / 2 + 0.5, '#1b1200', 11, 600);
    }
  }

  // All that is no mark, back to front.
  function ground(g, at, state, width) {
    g.fillStyle = colors.card;
    g.fillRect(0, 0, width, at.height);
    g.fillStyle = colors.faint;
    ticks(state.view, width - at.gutter, (time) => {
      const x = at.x(time);
      if (x >= at.gutter) g.fillRect(Math.round(x), 0, 1, at.height);
    });
    for (const [lane, {y, h, node}] of at.lanes.entries()) {
      g.fillStyle = colors.line;
      g.fillRect(0, y + h - 1, width, 1);
      if (node) g.fillRect(0, y - 1, width, 1);
    }
    g.save();
    g.beginPath();
    g.rect(at.gutter, 0, width - at.gutter, at.height);
    g.clip();
    partitions(g, at);
    const groups = groupsInView(state);
    for (const lane of model.nodes) {
      roleStrips(g, at, lane, groups);
      absences(g, at, lane);
    }
    g.restore();
  }

  return {
    readColors: () => { hatches = {}; readColors(); },
    color: (name) => colors[name],
    layout, axis, ground, label, font, seconds, pairsText,
  };
})();
