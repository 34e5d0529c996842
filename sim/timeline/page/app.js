// State, and what a hand does to it.
const app = (() => {
  const {c} = model;
  const {element} = panel;
  const $ = (id) => document.getElementById(id);
  const kNarrowest = 2000;  // nanoseconds in view

  const state = {
    view: {from: 0, to: model.end * 1.005},
    group: null,  // null: all
    off: new Set(),  // families that are hidden
    only: false,
    query: '',
    matches: null,
    current: -1,  // in matches
    selected: marks.noMark,
    shown: new Uint8Array(data.count),
  };
  const stats = {frames: 0, drawMs: 0, worstMs: 0, arrows: 0};
  let at = null;
  let mapTime = (px) => px;
  let due = false;

  // ---- drawing ----

  function sized(canvas, height) {
    const scale = devicePixelRatio || 1;
    const width = $('stage').clientWidth;
    const w = Math.round(width * scale);
    const h = Math.round(height * scale);
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
      canvas.style.height = `${height}px`;
    }
    const g = canvas.getContext('2d');
    g.setTransform(scale, 0, 0, scale, 0, 0);
    return [g, width];
  }

  function paint() {
    due = false;
    const began = performance.now();
    const gutter = $('gutter').offsetWidth;
    at = draw.layout($('scroll').clientHeight, gutter);
    const [g, width] = sized($('lanes'), at.height);
    const scale = (width - gutter) / (state.view.to - state.view.from);
    at.x = (time) => gutter + (time - state.view.from) * scale;
    at.time = (px) => state.view.from + (px - gutter) / scale;
    g.leftEdge = gutter;
    g.rightEdge = width;
    draw.ground(g, at, state, width);
    stats.arrows = marks.all(g, at, state, width);
    const [axis] = sized($('axis'), 26);
    draw.axis(axis, state.view, at, width);
    const [map] = sized($('map'), 58);
    mapTime = marks.map(map, state, width, 58, gutter);
    placeLanes();
    ++stats.frames;
    stats.drawMs = performance.now() - began;
    stats.worstMs = Math.max(stats.worstMs, stats.drawMs);
  }

  function redraw() {
    if (due) return;
    due = true;
    requestAnimationFrame(paint);
  }

  // What a node is at a moment, in the group that is looked at.
  function statusAt(lane, time) {
    const inside = (span) => span.begin <= time && time < span.end;
    if (model.down[lane].some(inside)) return 'down';
    if (state.group === null) {
      const leads = [...model.roles[lane]].filter(
          ([, spans]) => spans.some((s) => inside(s) && model.text(s.mark) === 'leader'));
      return leads.length ? `leads ${leads.map(([group]) => model.groupName(group)).join(', ')}` : 'follows';
    }
    const span = (model.roles[lane].get(state.group) || []).find(inside);
    return span ? `${model.text(span.mark)}, term ${c.term[span.mark]}` : 'not a member';
  }

  function placeLanes() {
    const gutter = $('gutter');
    if (gutter.childElementCount !== data.lanes.length + 1) {
      gutter.replaceChildren(element('div', '', {class: 'lane network'}),
                             ...data.lanes.map((lane) => {
                               const label = element('div', '', {class: 'lane'});
                               if (lane.name.length > 12) label.classList.add('long');
                               label.append(element('b', lane.name), element('span'));
                               return label;
                             }));
      gutter.firstChild.append(element('span', 'network'));
    }
    const time = state.selected !== marks.noMark ? c.begin[state.selected] : state.view.to;
    for (const [lane, {y, h, node}] of at.lanes.entries()) {
      const label = gutter.children[lane + 1];
      const narrow = at.gutter < 120;
      label.firstChild.textContent = narrow ? model.shortName(lane) : data.lanes[lane].name;
      label.style.top = `${y}px`;
      label.style.height = `${h}px`;
      label.lastChild.textContent = node ? statusAt(lane, Math.min(time, model.end - 1)) : '';
    }
    gutter.firstChild.style.height = `${at.network}px`;
    gutter.firstChild.hidden = at.network === 0;
  }

  // ---- what is shown ----

  const details = () => panel.details(state, hands);
  const list = () => panel.list(state, hands);

  function filter() {
    const matched = state.only && state.matches ? new Uint8Array(data.count) : null;
    if (matched) for (const i of state.matches) matched[i] = 1;
    const hidden = model.families.map((family) => state.off.has(family));
    for (let i = 0; i < data.count; ++i) {
      state.shown[i] = !hidden[model.familyOfKind[c.kind[i]]] &&
          (state.group === null || c.group[i] < 0 || c.group[i] === state.group) &&
          (!matched || matched[i]) ? 1 : 0;
    }
    redraw();
  }

  let listing = 0;  // the list follows the view, but not every frame of it
  function look(from, to) {
    const length = Math.min(Math.max(to - from, kNarrowest), model.end * 1.02);
    const low = Math.min(Math.max(from, -length * 0.02), model.end * 1.01 - length);
    state.view = {from: low, to: low + length};
    $('tip').hidden = true;
    redraw();
    if (state.selected !== marks.noMark || state.matches) return;
    clearTimeout(listing);
    listing = setTimeout(list, 150);
  }

  function zoom(factor, middle = (state.view.from + state.view.to) / 2) {
    look(middle - (middle - state.view.from) * factor, middle + (state.view.to - middle) * factor);
  }

  const pan = (share) => {
    const by = (state.view.to - state.view.from) * share;
    look(state.view.from + by, state.view.to + by);
  };

  // Makes a mark visible, with a little before and after it, but never zooms out for it.
  function show(i) {
    const length = state.view.to - state.view.from;
    const {from, to} = state.view;
    if (c.begin[i] < from + length * 0.08 || c.begin[i] > to - length * 0.08) {
      look(c.begin[i] - length / 2, c.begin[i] + length / 2);
    }
    const lane = at && at.lanes[c.lane[i]];
    const box = $('scroll');
    if (lane && (lane.y < box.scrollTop || lane.y + lane.h > box.scrollTop + box.clientHeight)) {
      box.scrollTop = lane.y - 30;
    }
  }

  function select(i, scroll = true) {
    state.selected = i;
    if (state.matches) state.current = state.matches.indexOf(i);
    if (i !== marks.noMark && scroll) show(i);
    details();
    list();
    found();
    redraw();
  }

  function lookFor(query) {
    state.query = query;
    $('search').value = query;
    state.matches = search(query);
    state.current = -1;
    if (!state.matches) state.only = false;
    $('only').setAttribute('aria-pressed', state.only);
    found();
    list();
    filter();
  }

  // What stands in the box is searched for, unless it is already.
  let typing = 0;
  function typed() {
    clearTimeout(typing);
    if ($('search').value !== state.query) lookFor($('search').value);
  }

  function found() {
    const {matches, current} = state;
    $('found').textContent = !matches ? '' : !matches.length ? 'nothing found' :
        current < 0 ? `${matches.length} found` : `${current + 1} of ${matches.length}`;
  }

  function step(by) {
    const {matches} = state;
    if (!matches || !matches.length) return;
    if (state.current < 0) {
      const time = state.selected !== marks.noMark ? c.begin[state.selected] : state.view.from;
      const after = matches.findIndex((i) => c.begin[i] >= time);
      state.current = by > 0 ? (after < 0 ? 0 : after) : (after < 0 ? matches.length : after) - 1;
      if (state.current < 0) state.current = matches.length - 1;
    } else {
      state.current = (state.current + by + matches.length) % matches.length;
    }
    select(matches[state.current]);
  }

  function showVerdict() {
    if (model.verdictMark < 0) return;
    const when = c.begin[model.verdictMark];
    // What it is about may have begun long before: as much of it as can be told apart, and the last
    // of it in any case.
    const some = model.offending.filter((i) => i !== model.verdictMark);
    const near = some.filter((i) => c.begin[i] > when - 400e6);
    const first = near.length ? near[0] : some[some.length - 1];
    const from = first === undefined ? when - 100e6 : c.begin[first];
    const length = Math.max((when - from) * 1.25, 20e6);
    look(when - length * 0.9, when + length * 0.1);
    const group = data.verdict.culprits.find(([what]) => what === 'group');
    if (group && state.group === null) setGroup(group[1]);
    lookFor(model.offending.length ? 'is:offending' : '');
    select(model.verdictMark, false);
  }

  // ---- header and toolbar ----

  function top() {
    const failed = Boolean(data.verdict.oracle);
    document.title = `${data.run} ${failed ? 'FAILED' : 'ok'} - Tidemark timeline`;
    $('run').textContent = `Tidemark · ${data.run.split('/').pop()}`;
    $('run').title = data.run;
    $('badge').textContent = failed ? `FAILED ${data.verdict.oracle}` : 'ok';
    $('badge').className = failed ? 'bad' : 'good';
    $('summary').textContent = data.summary;
    $('summary').title = data.summary;
    $('verdict').hidden = !failed;
    if (failed) {
      $('verdict-text').append(element('b', `${data.verdict.oracle}: `), data.verdict.what);
      const n = model.offending.length;
      if (n) $('verdict-text').append(` (${n} ${n === 1 ? 'mark has' : 'marks have'} to do with it)`);
    }
  }

  function setGroup(id) {
    state.group = id;
    $('group').value = id === null ? '' : String(id);
    filter();
    list();
  }

  function toolbar() {
    const select = $('group');
    select.append(element('option', 'all', {value: ''}));
    for (const {id, name} of data.groups) select.append(element('option', `${id} ${name}`, {value: id}));
    select.addEventListener('change', () => setGroup(select.value === '' ? null : Number(select.value)));
    const counts = new Uint32Array(model.families.length);
    for (let i = 0; i < data.count; ++i) ++counts[model.familyOfKind[c.kind[i]]];
    for (const [n, family] of model.families.entries()) {
      const button = element('button', '', {'aria-pressed': 'true', 'data-family': family});
      const swatch = element('i');
      const color = {roles: 'leader', faults: 'fault'}[family] || family;
      swatch.style.background = swatch.style.borderColor = `var(--${color})`;
      button.append(swatch, family, element('small', counts[n].toLocaleString('en')));
      button.title = 'Click: show or hide. Double click: only these';
      button.addEventListener('click', () => {
        if (!state.off.delete(family)) state.off.add(family);
        families();
      });
      button.addEventListener('dblclick', () => {
        const alone = state.off.size === model.families.length - 1 && !state.off.has(family);
        state.off = new Set(alone ? [] : model.families.filter((other) => other !== family));
        families();
      });
      $('families').append(button);
    }
  }

  function families() {
    for (const button of $('families').children) {
      button.setAttribute('aria-pressed', !state.off.has(button.dataset.family));
    }
    filter();
    list();
  }

  function help() {
    const keys = [
      ['← →', 'earlier, later (Shift: a whole page)'], ['+ −', 'zoom; so does the wheel, at the pointer'],
      ['0', 'the whole run'], ['n p', 'next and previous match'], ['v', 'the verdict'],
      ['/', 'search'], ['f', 'only what was found'], ['g', 'next group'], ['t', 'light or dark'],
      ['Esc', 'nothing selected, nothing searched'],
    ];
    const fields = [
      ['node:2', 'of, or to, node 2; also from:2, to:2, lane:"producer 8"'],
      ['kind:cut', 'one kind, or a family: kind:votes'],
      ['group:1 term:7', 'numbers, or bounds: term:3..5'],
      ['index:120 offset:431..440', 'whatever carries one of these entries or records'],
      ['batch:12 bytes:4096..', 'a producer\'s batch; by size'],
      ['outcome:lost', 'lost, blocked, broken, repeated, failed'],
      ['t:1.5..2', 'seconds'], ['is:offending', 'what the verdict is about'],
      ['scrub -kind:note', 'words of any kind; a minus turns it round'],
    ];
    const dialog = $('help');
    for (const [title, rows, tag] of [['Keys', keys, 'kbd'], ['Search', fields, 'code']]) {
      const table = element('table');
      for (const [what, means] of rows) {
        const tr = element('tr');
        const td = element('td');
        td.append(element(tag, what));
        tr.append(td, element('td', means));
        table.append(tr);
      }
      dialog.append(element('h2', title), table);
    }
    panel.legend(dialog);
    dialog.append(element('p', 'Esc closes this.'));
  }

  // ---- hands ----

  const hands = {look, lookFor, select};

  function theme(dark) {
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
    draw.readColors();
    redraw();
  }
  const isDark = () => document.documentElement.dataset.theme === 'dark';

  function clear() {
    $('tip').hidden = true;
    state.selected = marks.noMark;
    lookFor('');
    details();
  }

  const keys = {
    'ArrowLeft': (e) => pan(e.shiftKey ? -0.9 : -0.15),
    'ArrowRight': (e) => pan(e.shiftKey ? 0.9 : 0.15),
    'ArrowUp': () => $('scroll').scrollBy(0, -60),
    'ArrowDown': () => $('scroll').scrollBy(0, 60),
    '+': () => zoom(1 / 1.6), '=': () => zoom(1 / 1.6), '-': () => zoom(1.6),
    '0': () => look(0, model.end * 1.005), 'Home': () => look(0, model.end * 1.005),
    'n': () => step(1), 'p': () => step(-1), 'v': showVerdict,
    '/': () => $('search').focus(), 'f': () => $('only').click(),
    'g': () => {
      const ids = [null, ...data.groups.map(({id}) => id)];
      setGroup(ids[(ids.indexOf(state.group) + 1) % ids.length]);
    },
    't': () => theme(!isDark()), '?': () => $('help').showModal(), 'Escape': clear,
  };

  function keyboard() {
    document.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || $('help').open) return;
      if (event.target.tagName === 'SELECT') return;
      if (event.target.tagName === 'INPUT') {
        if (event.key === 'Enter') {
          typed();
          step(event.shiftKey ? -1 : 1);
        }
        if (event.key === 'Escape') {
          clear();
          event.target.blur();
        }
        return;
      }
      const run = keys[event.key];
      if (!run) return;
      event.preventDefault();
      run(event);
    });
  }

  function pointer() {
    const lanes = $('lanes');
    let drag = null;
    const inside = (event) => {
      const box = lanes.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    $('scroll').addEventListener('wheel', (event) => {
      event.preventDefault();
      if (event.shiftKey) $('scroll').scrollTop += event.deltaY || event.deltaX;
      else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / 1200);
      else zoom(Math.exp(event.deltaY * 0.0016), at.time(inside(event)[0]));
    }, {passive: false});
    lanes.addEventListener('pointerdown', (event) => {
      const [x, y] = inside(event);
      drag = {x, y, view: state.view, top: $('scroll').scrollTop, client: event.clientY, moved: false};
      lanes.setPointerCapture(event.pointerId);
    });
    lanes.addEventListener('pointermove', (event) => {
      const [x, y] = inside(event);
      if (!drag) return hover(x, y, event);
      if (!drag.moved && Math.hypot(x - drag.x, event.clientY - drag.client) < 4) return;
      drag.moved = true;
      const by = (drag.x - x) / (lanes.clientWidth - at.gutter) * (drag.view.to - drag.view.from);
      $('scroll').scrollTop = drag.top + drag.client - event.clientY;
      look(drag.view.from + by, drag.view.to + by);
    });
    lanes.addEventListener('pointerup', (event) => {
      if (drag && !drag.moved) {
        select(marks.under(...inside(event), at, state, lanes.clientWidth), false);
      }
      drag = null;
    });
    lanes.addEventListener('pointerleave', () => { $('tip').hidden = true; });
    lanes.addEventListener('dblclick', (event) => zoom(1 / 3, at.time(inside(event)[0])));
    const map = $('map');
    const goto = (event) => {
      const time = mapTime(event.clientX - map.getBoundingClientRect().left);
      const half = (state.view.to - state.view.from) / 2;
      look(time - half, time + half);
    };
    map.addEventListener('pointerdown', (event) => {
      map.setPointerCapture(event.pointerId);
      goto(event);
    });
    map.addEventListener('pointermove', (event) => { if (event.buttons) goto(event); });
  }

  function hover(x, y, event) {
    const tip = $('tip');
    const i = at && x > at.gutter ? marks.under(x, y, at, state, $('lanes').clientWidth) : marks.noMark;
    tip.hidden = i === marks.noMark;
    if (tip.hidden) return;
    tip.replaceChildren(
        element('b', `${(c.begin[i] / 1e9).toFixed(6)} s  ${model.laneName(c.lane[i])}` +
                     (c.group[i] >= 0 ? `  ${model.groupName(c.group[i])}` : '')),
        model.say(i));
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8))}px`;
  }

  function start() {
    top();
    toolbar();
    help();
    keyboard();
    pointer();
    $('search').addEventListener('input', () => {
      clearTimeout(typing);
      typing = setTimeout(typed, 120);
    });
    $('search').addEventListener('change', typed);
    $('next').addEventListener('click', () => step(1));
    $('previous').addEventListener('click', () => step(-1));
    $('only').addEventListener('click', () => {
      state.only = !state.only && Boolean(state.matches);
      $('only').setAttribute('aria-pressed', state.only);
      filter();
    });
    $('zoom-in').addEventListener('click', () => zoom(1 / 1.6));
    $('zoom-out').addEventListener('click', () => zoom(1.6));
    $('zoom-fit').addEventListener('click', () => look(0, model.end * 1.005));
    $('theme').addEventListener('click', () => theme(!isDark()));
    $('help-open').addEventListener('click', () => $('help').showModal());
    $('verdict-show').addEventListener('click', showVerdict);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', () => theme(dark.matches));
    new ResizeObserver(redraw).observe($('scroll'));
    theme(dark.matches);
    filter();
    details();
    list();
  }
  start();
  return {state, stats, look, select, lookFor, setGroup, showVerdict};
})();
// What a test, or a curious hand at the console, may look at.
window.timeline = {data, model, app};
