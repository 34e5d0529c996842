// What is said beside the picture: about the run, about one mark, and the list of marks.
const panel = (() => {
  const {c, K} = model;
  const kListMax = 200;

  function element(tag, text = '', attributes = {}) {
    const made = document.createElement(tag);
    if (text !== '') made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  function row(table, name, value) {
    if (value === '' || value === null) return;
    const tr = element('tr');
    tr.append(element('th', name), element('td', String(value)));
    table.append(tr);
  }

  const action = (text, run) => {
    const button = element('button', text);
    button.addEventListener('click', run);
    return button;
  };

  function legend(into) {
    into.append(element('h2', 'Signs'));
    const grid = element('div', '', {class: 'legend'});
    const signs = [
      ['leader', 'leader'], ['follower', 'follower'], ['precandidate', 'asks whether it would win'],
      ['candidate', 'candidate'], ['down', 'no power, killed or shut down'], ['pause', 'paused'],
      ['block', 'partition: who does not reach whom'], ['log', 'appended or found (upper ticks)'],
      ['commit', 'committed (lower ticks), acknowledged'], ['cut', 'cut from the log, refused'],
      ['disk', 'flush, disk full'], ['clients', 'batch until its acknowledgement, delivery'],
      ['fault', 'fault, failed flush, lost message'], ['heartbeats', 'messages, too many for arrows'],
      ['match', 'found by the search'], ['bad', 'what the verdict is about'],
    ];
    for (const [color, text] of signs) {
      const sign = element('i');
      sign.style.background = `var(--${color})`;
      grid.append(sign, element('span', text));
    }
    into.append(grid);
  }

  function aboutRun(into) {
    into.append(element('h2', 'The run'));
    const table = element('table');
    row(table, 'result', data.verdict.oracle ? `FAILED ${data.verdict.oracle}` : 'all oracles were content');
    row(table, 'lasted', `${(model.end / 1e9).toFixed(3)} s of virtual time`);
    row(table, 'marks', data.count.toLocaleString('en'));
    row(table, 'trace', data.hash);
    row(table, 'version', data.version);
    row(table, 'again', data.replay);
    row(table, 'scenario', data.summary);
    into.append(table);
    legend(into);
  }

  function aboutMark(into, i, hands) {
    const head = element('h2', `${model.laneName(c.lane[i]) || 'The run'}: ${model.kindName[c.kind[i]]}`);
    into.append(head, element('p', model.say(i)));
    const table = element('table');
    const length = model.finish[i] - c.begin[i];
    row(table, 'at', `${(c.begin[i] / 1e9).toFixed(9)} s`);
    if (length > 0) row(table, 'takes', `${(length / 1e6).toFixed(3)} ms`);
    if (c.outcome[i] > 0) row(table, 'outcome', data.outcomes[c.outcome[i]]);
    row(table, 'to', c.kind[i] === K.role ? '' : model.laneName(c.peer[i]));
    row(table, 'leader', c.kind[i] === K.role ? model.laneName(c.peer[i]) : '');
    if (c.group[i] >= 0) row(table, 'group', `${model.groupName(c.group[i])} (${c.group[i]})`);
    if (c.term[i]) row(table, 'term', c.term[i]);
    row(table, 'entries', model.entries(i) || (c.index[i] ? `index ${c.index[i]}` : ''));
    row(table, 'records', c.outcome[i] === 1 && c.kind[i] === K.batch ? c.offsets[i] : model.offsets(i));
    if (c.batch[i]) row(table, 'batch', c.batch[i]);
    if (c.bytes[i]) row(table, 'bytes', c.bytes[i]);
    if (!model.say(i).includes(model.text(i))) row(table, 'words', model.text(i));
    into.append(table);
    const actions = element('div', '', {class: 'actions'});
    const of = c.group[i] >= 0 ? `group:${c.group[i]} ` : '';
    const last = (first, count) => (count > 1 ? `${first}..${first + count - 1}` : first);
    if (c.entries[i] > 0) {
      const query = `${of}index:${last(c.index[i], c.entries[i])}`;
      actions.append(action('Follow these entries', () => hands.lookFor(query)));
    }
    if (c.offsets[i] > 0 && c.outcome[i] !== 1) {
      const query = `${of}offset:${last(c.offset[i], c.offsets[i])}`;
      actions.append(action('Follow these records', () => hands.lookFor(query)));
    }
    if (c.term[i]) {
      actions.append(action('This term', () => hands.lookFor(`${of}term:${c.term[i]} kind:role`)));
    }
    const near = Math.max(length * 4, 2e6);
    actions.append(action('Zoom here', () => hands.look(c.begin[i] - near, model.finish[i] + near)));
    into.append(actions);
  }

  function details(state, hands) {
    const into = document.getElementById('details');
    into.replaceChildren();
    if (state.selected === marks.noMark) aboutRun(into);
    else aboutMark(into, state.selected, hands);
    into.scrollTop = 0;
  }

  // The matches around the current one, or what comes before and after the selected mark.
  function list(state, hands) {
    const into = document.getElementById('list');
    let some = state.matches;
    let middle = Math.max(0, state.current);
    let title = some ? `Found: ${some.length.toLocaleString('en')}` : 'Before and after';
    if (!some) {
      const seed = state.selected !== marks.noMark ? state.selected : model.firstAt(state.view.from);
      some = [];
      for (let i = seed; i >= 0 && some.length < 40; --i) if (state.shown[i]) some.push(i);
      some.reverse();
      middle = Math.max(0, some.length - 1);
      for (let i = seed + 1; i < data.count && some.length < 160; ++i) if (state.shown[i]) some.push(i);
      if (state.selected === marks.noMark) title = 'From here on';
    }
    const first = Math.max(0, Math.min(middle - kListMax / 4, some.length - kListMax));
    const rows = some.slice(first, first + kListMax).map((i) => {
      const button = element('button', '', {'data-mark': i});
      button.append(element('time', (c.begin[i] / 1e9).toFixed(6)),
                    element('span', model.shortName(c.lane[i])), element('em', model.say(i)));
      button.title = `${model.laneName(c.lane[i])} ${model.say(i)}`;
      if (i === state.selected) button.setAttribute('aria-current', 'true');
      button.addEventListener('click', () => hands.select(i));
      return button;
    });
    into.replaceChildren(element('h2', title), ...rows);
    const current = into.querySelector('[aria-current]');
    if (current) into.scrollTop = current.offsetTop - into.offsetTop - into.clientHeight / 3;
    else into.scrollTop = 0;
  }

  return {element, legend, details, list};
})();
