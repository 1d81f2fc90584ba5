// Live rows of the list of jobs: a changed row replaces the one on the page; a job that is not on it is counted.
import { Stream, say } from './stream.js';

const { live: path } = document.getElementById('live').dataset;
const fresh = new Set();

const change = (row) => {
  const old = document.getElementById(row.id);
  if (!old) return;
  const box = row.querySelector('input[type="checkbox"]');
  if (box) box.checked = old.querySelector('input[type="checkbox"]').checked;
  row.classList.toggle('at', old.classList.contains('at'));
  row.setAttribute('aria-selected', old.getAttribute('aria-selected') ?? 'false');
  const word = (each) => each.querySelector('.st .w')?.textContent;
  if (word(old) !== word(row)) {
    row.classList.add('flash');
    say(`${row.querySelector('a.row').textContent}: ${word(row)}`);
  }
  window.Idiomorph.morph(old, row);
};

const note = (rows) => {
  const link = document.getElementById('new-jobs');
  const table = document.querySelector('[data-rows]');
  if (!link || (table && table.dataset.first === undefined)) return;
  const newest = table?.dataset.newest ?? '';
  const queues = link.dataset.queues.split(' ');
  const isListed = (row) => queues.includes(row.dataset.queue) && row.dataset.at > newest;
  for (const row of rows) if (!document.getElementById(row.id) && isListed(row)) fresh.add(row.id);
  link.hidden = fresh.size === 0;
  link.textContent = link.dataset.text.replace('0', String(fresh.size));
};

new Stream((last) => (last ? `${path}?after=${encodeURIComponent(last)}` : path), {
  rows: (event) => {
    const template = document.createElement('template');
    template.innerHTML = event.data;
    const rows = [...template.content.querySelectorAll('tr')];
    rows.forEach(change);
    note(rows);
  },
  reload: () => window.htmx.ajax('GET', location.href, { target: '#rows', select: '#rows', swap: 'outerHTML' }),
  away: (event) => {
    document.getElementById('live-away').innerHTML = event.data;
  },
});
