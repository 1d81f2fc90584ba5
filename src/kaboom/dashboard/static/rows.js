// Rows of a table with `data-rows`: j and k move, x selects, Enter opens. The strip #selected counts what is selected.
const rows = () => [...document.querySelectorAll('[data-rows] tbody tr')];
const boxes = () => [...document.querySelectorAll('[data-rows] tbody input[type="checkbox"]')];
let place = null; // the id of the row that the keys are at

const rowAt = () => rows().find((row) => row.id === place);

const move = (step) => {
  const list = rows();
  if (!list.length) return;
  const at = list.indexOf(rowAt());
  const row = list[Math.max(0, Math.min(list.length - 1, at + step))];
  list.forEach((each) => each.classList.toggle('at', each === row));
  place = row.id;
  row.scrollIntoView({ block: 'nearest' });
};

export const count = () => {
  const chosen = boxes().filter((box) => box.checked);
  for (const box of boxes()) box.closest('tr').setAttribute('aria-selected', String(box.checked));
  const strip = document.getElementById('selected');
  if (!strip) return;
  for (const each of strip.querySelectorAll('[data-count]')) each.textContent = String(chosen.length);
};

document.addEventListener('change', (event) => {
  if (event.target.matches('[data-all]')) for (const box of boxes()) box.checked = event.target.checked;
  if (event.target.matches('[type="checkbox"]')) count();
});

document.addEventListener('click', (event) => {
  if (!event.target.closest('[data-act="clear"]')) return;
  for (const box of document.querySelectorAll('[data-rows] input[type="checkbox"]')) box.checked = false;
  count();
});

document.addEventListener('keydown', (event) => {
  const isOurs = event.target === document.body || event.target.matches('[data-rows] input[type="checkbox"]');
  if (event.ctrlKey || event.metaKey || event.altKey || !isOurs || document.querySelector('dialog[open]')) return;
  if (event.key === 'j') move(1);
  if (event.key === 'k') move(-1);
  const row = rowAt();
  if (!row) return;
  if (event.key === 'x') row.querySelector('input[type="checkbox"]')?.click();
  if (event.key === 'Enter') row.querySelector('a.row')?.click();
});

count();
