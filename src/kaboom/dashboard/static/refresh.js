// A page whose `#fresh` is taken anew from itself: soon after a job has changed, and once a minute.
import { Stream } from './stream.js';

const EVERY_MS = 5000;
const MINUTE_MS = 60_000;
let due = 0;
let takenAt = Date.now();

const take = () => {
  due = 0;
  takenAt = Date.now();
  if (!document.hidden) window.htmx.ajax('GET', location.href, { target: '#fresh', select: '#fresh', swap: 'morph:outerHTML' });
};
const soon = () => {
  due ||= setTimeout(take, Math.max(0, EVERY_MS - (Date.now() - takenAt)));
};

const { live: path } = document.getElementById('live').dataset;
new Stream((last) => (last ? `${path}?after=${encodeURIComponent(last)}` : path), { rows: soon, reload: soon });
setInterval(soon, MINUTE_MS);
// A part that was not available is asked for again.
const again = () => {
  if (document.getElementById('fresh').dataset.again !== undefined) soon();
};
document.addEventListener('htmx:afterSettle', again);
again();
