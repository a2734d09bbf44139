'use strict';
// Everything that comes out of the data is put in as text, never as HTML.
(() => {
  const root = document.documentElement;
  root.classList.add('js');
  const byId = id => document.getElementById(id);
  const search = byId('search'), list = byId('list'), dialog = byId('keys');
  const items = [...list.children].map(li => ({ li, a: li.firstElementChild, id: li.firstElementChild.hash.slice(1) }));
  let shown = items, open = null;

  function make(tag, name, ...inside) {
    const e = document.createElement(tag);
    if (name) e.className = name;
    e.append(...inside);
    return e;
  }

  // The list of tests.

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const outcome = document.querySelector('input[name=show]:checked').value;
    shown = items.filter(({ li }) => {
      const fits = (outcome === 'all' || li.dataset.outcome === outcome) && words.every(w => li.dataset.search.includes(w));
      li.hidden = !fits;
      return fits;
    });
    byId('nothing').hidden = shown.length > 0;
  }
  search.addEventListener('input', filter);
  for (const radio of document.querySelectorAll('input[name=show]')) radio.addEventListener('change', filter);

  function choose(id, focus) {
    const article = byId(id);
    if (!article || !/^t\d+$/.test(id)) return;
    if (open) {
      open.article.classList.remove('open');
      open.item.a.removeAttribute('aria-current');
    }
    open = { article, item: items.find(i => i.id === id) };
    article.classList.add('open');
    open.item.a.setAttribute('aria-current', 'true');
    open.item.a.scrollIntoView({ block: 'nearest' });
    if (focus) {
      root.classList.add('one');
      article.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    fill(article);
  }
  function fromHash() {
    const id = location.hash.slice(1);
    if (id === 'list') {
      root.classList.remove('one');
      open?.item.a.focus();
    } else {
      choose(id, true);
    }
  }
  addEventListener('hashchange', fromHash);
  list.addEventListener('click', e => {
    const a = e.target.closest('a');
    if (a && a.hash === location.hash) choose(a.hash.slice(1), true); // which changes nothing
  });

  function step(by) {
    if (!shown.length) return;
    const at = shown.findIndex(i => i === (items.find(i => i.a === document.activeElement) || open?.item));
    const next = shown[Math.max(0, Math.min(shown.length - 1, at + by))];
    next.a.focus();
    if (!narrow.matches) choose(next.id, false);
  }
  const narrow = matchMedia('(max-width: 760px)');

  // Keys. Those of packets are handled where the packets are.

  byId('keys-button').addEventListener('click', () => dialog.showModal());
  addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || dialog.open || e.defaultPrevented) return;
    const typing = e.target.matches('input[type=search], select, textarea');
    if (e.target === search && e.key === 'Escape') {
      search.value = '';
      filter();
      (open?.item.li.hidden === false ? open.item.a : shown[0]?.a)?.focus();
    } else if (e.target === search && (e.key === 'ArrowDown' || e.key === 'Enter')) {
      shown[0]?.a.focus();
      if (e.key === 'Enter') shown[0]?.a.click();
    } else if (typing) {
      return;
    } else if (e.key === '/') {
      root.classList.remove('one');
      search.focus();
      search.select();
    } else if (e.key === '?') {
      dialog.showModal();
    } else if (e.key === 't') {
      root.classList.remove('one');
      (open?.item.a || items[0].a).focus();
    } else if (e.key === 'p') {
      open?.article.querySelector('.packets .p[tabindex="0"]')?.focus();
    } else if (e.key === 'j' || (e.key === 'ArrowDown' && e.target.closest('#list'))) {
      step(1);
    } else if (e.key === 'k' || (e.key === 'ArrowUp' && e.target.closest('#list'))) {
      step(-1);
    } else {
      return;
    }
    e.preventDefault();
  });

  // The details of a test, unpacked when it is opened first.

  async function unpack(id) {
    const letters = byId(id).content.textContent;
    const bytes = Uint8Array.from(atob(letters), c => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
  }

  async function fill(article) {
    const into = article.querySelector('.more');
    if (into.dataset.state) return;
    into.dataset.state = 'under way';
    try {
      const d = await unpack('d' + into.dataset.of);
      picture(into, 'Topology', d.topology);
      picture(into, 'Ladder', d.ladder);
      packets(into, d);
      states(into, d);
      text(into, 'Story', d.story);
      text(into, 'The explanation in full', d.explanation);
      into.dataset.state = 'there';
      performance.mark('netrig-details');
    } catch (e) {
      into.append(make('p', 'problem', 'The details can’t be shown: ' + e.message +
        (window.DecompressionStream ? '' : '. This browser is too old to unpack them (it needs DecompressionStream)')));
      into.dataset.state = 'failed';
    }
  }

  function section(into, title) {
    const s = make('section', '', make('h3', '', title));
    into.append(s);
    return s;
  }

  function text(into, title, of) {
    if (!of) return;
    const pre = make('pre', '', of);
    pre.tabIndex = 0;
    into.append(make('section', '', make('details', '', make('summary', '', make('b', '', title)), pre)));
  }

  // A picture lives in a shadow tree, so that its style stays its own. Scripts
  // would not run, by the page's policy; they and what leads elsewhere go anyway.
  function picture(into, title, svg) {
    if (!svg) return;
    const drawn = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
    if (drawn.localName !== 'svg') return;
    for (const e of [drawn, ...drawn.querySelectorAll('*')]) {
      if (/^(script|foreignobject|iframe|object|embed|a|use|image|set|animate.*)$/i.test(e.localName)) e.remove();
      for (const a of [...e.attributes]) if (/^on|href$/i.test(a.name)) e.removeAttribute(a.name);
    }
    // It shrinks to fit as long as it can be read, and scrolls beyond.
    const width = parseFloat(drawn.getAttribute('width'));
    if (width && drawn.hasAttribute('viewBox')) drawn.setAttribute('style', `height: auto; max-width: max(100%, ${Math.round(width * 0.65)}px)`);
    const box = make('div', 'picture');
    box.tabIndex = 0;
    box.attachShadow({ mode: 'open' }).append(document.importNode(drawn, true));
    section(into, title).append(box);
  }

  // Packets.

  const milliseconds = ns => (ns / 1e6).toFixed(3);
  const chunk = 300;

  function packets(into, d) {
    if (!d.packets.length && !d.steps?.length) return;
    const s = section(into, d.packets.length + ' packets');
    const find = make('input');
    Object.assign(find, { type: 'search', placeholder: 'Filter packets', spellcheck: false });
    find.setAttribute('aria-label', 'Filter packets by place and content');
    const named = make('input');
    named.type = 'checkbox';
    const count = make('span');
    count.setAttribute('role', 'status');
    s.append(make('div', 'bar', find, make('label', '', named, ' names for addresses'), count));
    if (d.left) s.append(make('p', 'problem', d.left + ' packets more are in the pcapng file, which this page leaves out'));
    const head = make('tr');
    for (const [name, title] of [['time', 'ms'], ['place', 'at'], ['way', ''], ['what', 'packet'], ['bytes', 'bytes']]) {
      const th = make('th', name, title);
      th.scope = 'col';
      head.append(th);
    }
    const body = make('tbody');
    const table = make('table', 'packets', make('thead', '', head), body);
    const more = make('button');
    more.type = 'button';
    s.append(table, more);

    const name = t => named.checked ? t.replace(/[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*[0-9A-Fa-f]/g, m => {
      if (d.names[m]) return d.names[m];
      const port = /^(.*):(\d+)$/.exec(m);
      return port && d.names[port[1]] ? d.names[port[1]] + ':' + port[2] : m;
    }) : t;
    // What stands between the packets, in order of time.
    const marks = [];
    for (const st of d.steps || []) {
      if (st.name) marks.push({ at: st.at, step: st });
      for (const a of st.asked || []) marks.push({ at: a.at, asked: a });
    }
    marks.sort((a, b) => a.at - b.at);

    let rows = [], next = 0, mark = 0;
    function add() {
      const part = document.createDocumentFragment();
      const end = Math.min(next + chunk, rows.length);
      for (; next < end; next++) {
        while (!find.value && mark < marks.length && marks[mark].at <= d.packets[rows[next]][0]) part.append(markRow(marks[mark++]));
        part.append(row(rows[next]));
      }
      if (next === rows.length && !find.value) while (mark < marks.length) part.append(markRow(marks[mark++]));
      body.append(part);
      const rest = rows.length - next;
      more.hidden = rest === 0;
      more.textContent = 'Show ' + Math.min(rest, chunk) + ' more of ' + rest;
    }
    function markRow(m) {
      const td = make('td');
      td.colSpan = 5;
      if (m.step) td.append(m.step.name);
      else td.append('asked: ', make('code', '', m.asked.text), '  ' + m.asked.line + ', ' + m.asked.ms.toPrecision(3) + ' ms');
      return make('tr', m.step ? 'step' : 'asked', td);
    }
    function row(i) {
      const [at, place, out, what, , bytes] = d.packets[i];
      const says = d.strings[what];
      const way = make('td', 'way', out ? '>' : '<');
      way.title = out ? 'out of the interface' : 'into the interface';
      const tr = make('tr', 'p ' + (out ? 'out' : 'in') + (/unreachable|exceeded|too big|RST/.test(says) ? ' error' : ''),
        make('td', 'time', milliseconds(at)), make('td', 'place', d.places[place]), way,
        make('td', 'what', name(says)), make('td', 'bytes', String(bytes)));
      tr.dataset.i = i;
      tr.tabIndex = body.querySelector('.p') || i !== rows[0] ? -1 : 0;
      tr.setAttribute('aria-expanded', 'false');
      return tr;
    }
    function start() {
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows = d.packets.map((_, i) => i).filter(i => {
        if (!words.length) return true;
        const p = d.packets[i];
        const t = (d.places[p[1]] + ' ' + (p[2] ? 'out' : 'in') + ' ' + d.strings[p[3]]).toLowerCase();
        return words.every(w => t.includes(w));
      });
      count.textContent = words.length ? rows.length + ' of ' + d.packets.length : '';
      body.replaceChildren();
      next = mark = 0;
      add();
    }
    more.addEventListener('click', add);
    find.addEventListener('input', start);
    named.addEventListener('change', start);
    find.addEventListener('keydown', e => {
      if (e.key === 'Escape') {
        find.value = '';
        start();
      } else if (e.key !== 'ArrowDown' && e.key !== 'Enter') {
        return;
      }
      focus(body.querySelector('.p'));
      e.preventDefault();
    });

    const rowOf = i => {
      let tr;
      while (!(tr = body.querySelector(`.p[data-i="${i}"]`)) && next < rows.length) add();
      return tr;
    };
    function focus(tr) {
      if (!tr) return;
      const was = body.querySelector('.p[tabindex="0"]');
      if (was) was.tabIndex = -1;
      tr.tabIndex = 0;
      tr.focus();
    }
    function beside(tr, by) {
      const at = rows.indexOf(+tr.dataset.i) + by;
      return at < 0 || at >= rows.length ? null : rowOf(rows[at]);
    }
    function toggle(tr, want) {
      const is = tr.getAttribute('aria-expanded') === 'true';
      if (is === want) return;
      tr.setAttribute('aria-expanded', String(!is));
      if (is) tr.nextSibling.remove();
      else tr.after(unfolded(+tr.dataset.i));
    }
    function unfolded(i) {
      const p = d.packets[i];
      const box = make('div', 'box');
      const flight = d.packets.map((q, j) => [q, j]).filter(([q]) => q[6] === p[6]);
      if (flight.length > 1) {
        const way = make('p', 'flight', 'The way of this packet: ');
        for (const [q, j] of flight) {
          const b = make('button', '', (q[2] ? 'out of ' : 'into ') + d.places[q[1]]);
          b.type = 'button';
          b.disabled = j === i;
          b.addEventListener('click', () => { find.value && (find.value = '', start()); focus(rowOf(j)); });
          way.append(b);
        }
        box.append(way);
      }
      p[7].forEach((number, place) => {
        const l = d.layers[number];
        const dl = make('dl');
        for (const [field, value] of l.fields || []) {
          const dd = make('dd', '', value);
          if (d.names[value]) dd.append(make('i', '', '  ' + d.names[value]));
          dl.append(make('dt', '', field), dd);
        }
        const one = make('details', 'layer', make('summary', '', l.name), dl);
        one.open = place > 0; // the frame's own header says little
        box.append(one);
      });
      const hex = make('pre', 'hex', dump(d.strings[p[4]]));
      hex.tabIndex = 0;
      box.append(make('details', 'layer', make('summary', '', 'Bytes'), hex));
      const td = make('td', '', box);
      td.colSpan = 5;
      return make('tr', 'unfolded', td);
    }
    body.addEventListener('click', e => {
      const tr = e.target.closest('.p');
      if (!tr || String(getSelection())) return;
      focus(tr);
      toggle(tr);
    });
    body.addEventListener('keydown', e => {
      const tr = e.target;
      if (!tr.matches('.p') || e.ctrlKey || e.metaKey || e.altKey) return;
      switch (e.key) {
        case 'ArrowDown': case 'j': focus(beside(tr, 1)); break;
        case 'ArrowUp': case 'k': focus(beside(tr, -1)); break;
        case 'Home': focus(rowOf(rows[0])); break;
        case 'End': focus(rowOf(rows[rows.length - 1])); break;
        case 'Enter': case ' ': toggle(tr); break;
        case 'ArrowRight': toggle(tr, true); break;
        case 'ArrowLeft': toggle(tr, false); break;
        default: return;
      }
      e.preventDefault();
    });
    // The other sightings of the packet that one looks at.
    const lit = e => {
      const tr = e.target.closest('.p');
      for (const was of body.querySelectorAll('.same')) was.classList.remove('same');
      if (!tr) return;
      const flight = d.packets[+tr.dataset.i][6];
      for (const p of body.querySelectorAll('.p')) if (d.packets[+p.dataset.i][6] === flight && p !== tr) p.classList.add('same');
    };
    body.addEventListener('mouseover', lit);
    body.addEventListener('focusin', lit);
    start();
  }

  function dump(letters) {
    const bytes = Uint8Array.from(atob(letters), c => c.charCodeAt(0));
    const lines = [];
    for (let at = 0; at < bytes.length; at += 16) {
      const part = [...bytes.slice(at, at + 16)];
      const hex = part.map(b => b.toString(16).padStart(2, '0')).join(' ');
      lines.push(at.toString(16).padStart(4, '0') + '  ' + hex.padEnd(48) + ' ' + part.map(b => b >= 32 && b < 127 ? String.fromCharCode(b) : '.').join(''));
    }
    return lines.join('\n');
  }

  // States of the nodes, and what is otherwise in another.

  function states(into, d) {
    const all = d.states || [];
    if (!all.length) return;
    const s = section(into, all.length > 1 ? 'State of the nodes, before and after' : 'State of the nodes ' + all[0].when);
    const pick = label => {
      const select = make('select');
      all.forEach((st, i) => select.append(new Option(st.when, i)));
      select.setAttribute('aria-label', label);
      select.addEventListener('change', show);
      return select;
    };
    const before = pick('Before'), after = pick('After'), only = make('input');
    only.type = 'checkbox';
    only.addEventListener('change', show);
    after.value = all.length - 1;
    only.checked = all.length > 1;
    if (all.length > 1) s.append(make('div', 'bar', before, ' → ', after, make('label', '', only, ' only what changed')));
    const nodes = make('div', 'nodes');
    const order = ['interfaces', 'routes', 'neighbours', 'forwarding database', 'packet filter', 'tracked connections', 'sysctls', 'counters', 'not answered'];
    s.append(nodes);
    function show() {
      const opened = new Set([...nodes.querySelectorAll('details[open]')].map(n => n.dataset.name));
      const first = !nodes.childElementCount;
      const was = all.length > 1 ? all[before.value] : all[0], is = all[after.value];
      nodes.replaceChildren();
      for (const name of new Set([...was.nodes || [], ...is.nodes || []].map(n => n.name))) {
        const node = make('details', 'node', make('summary', '', name));
        node.dataset.name = name;
        const a = groups(was, name), b = groups(is, name);
        let changes = 0;
        for (const title of order) {
          if (!a.has(title) && !b.has(title)) continue;
          const lines = make('div', 'lines');
          const x = new Map(a.get(title) || []), y = new Map(b.get(title) || []);
          for (const key of new Set([...x.keys(), ...y.keys()])) {
            if (x.get(key) === y.get(key)) {
              if (!only.checked) lines.append(make('div', '', x.get(key)));
              continue;
            }
            changes++;
            if (x.has(key)) lines.append(make('div', 'gone', x.get(key)));
            if (y.has(key)) lines.append(make('div', 'added', y.get(key)));
          }
          if (lines.childElementCount) node.append(make('h4', '', title), lines);
        }
        if (all.length > 1) node.firstChild.append(' ', make('small', '', changes ? changes + (changes > 1 ? ' changes' : ' change') : 'as before'));
        node.open = first ? all.length > 1 && changes > 0 && nodes.childElementCount < 6 : opened.has(name);
        nodes.append(node);
      }
    }
    show();
  }
  const groups = (state, name) => new Map((state.nodes?.find(n => n.name === name)?.groups || []).map(g => [g.title, g.lines || []]));

  if (location.hash) fromHash();
  if (!open && items.length) choose(items[0].id, false);
  performance.mark('netrig-list');
})();
