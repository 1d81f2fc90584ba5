// Dialogs: `data-act="open" data-for="id"` opens one, `data-act="close"` closes it. A preview that htmx has fetched
// into #preview opens by itself; a refusal of the API is shown there, too.
document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-act]');
  const wanted = button?.dataset.act === 'open' ? document.getElementById(button.dataset.for) : null;
  if (wanted) {
    // Without this script it is a link to the page with the form open.
    event.preventDefault();
    wanted.showModal();
  }
  const dialog = button?.closest('dialog');
  if (button?.dataset.act === 'close' && dialog) {
    // Without a dialog it is a link back to the page.
    event.preventDefault();
    dialog.close();
  }
});

document.addEventListener('htmx:afterSwap', (event) => {
  if (event.target.id === 'preview' && !event.target.open) event.target.showModal();
});

// A form that the server has opened, such as one that was refused.
for (const dialog of document.querySelectorAll('dialog[data-form][open]')) {
  dialog.close();
  dialog.showModal();
}
