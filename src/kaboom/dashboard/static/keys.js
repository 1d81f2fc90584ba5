// Keys: never with Ctrl, Alt or Meta, and never while somebody types.
const isTyping = (target) => target.closest('input:not([type="checkbox"]), textarea, select, [contenteditable]');
let isGoing = false;

// A symbol, on every page; and the list of this page.
const FIELDS = { '/': '.find .input', f: '.search .input' };
const go = (letter) => document.querySelector(`[data-go="${CSS.escape(letter)}"]`)?.click();
const openKeys = () => document.getElementById('keys')?.showModal();

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector('dialog[open]')) return;
  if (isGoing) {
    isGoing = false;
    go(event.key);
    return;
  }
  if (event.key === 'g') isGoing = true;
  const field = FIELDS[event.key] && document.querySelector(FIELDS[event.key]);
  if (field) {
    event.preventDefault();
    field.focus();
  }
  if (event.key === '?') openKeys();
  if (event.key === 't') document.querySelector('[data-act="theme"]')?.click();
});
