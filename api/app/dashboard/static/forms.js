// A choice in a form with `data-submit` takes effect at once; empty fields are left out of the address.
document.addEventListener('change', (event) => {
  if (event.target.matches('[data-submit]')) event.target.form.requestSubmit();
});

document.addEventListener('submit', (event) => {
  if (event.target.method !== 'get') return;
  for (const field of event.target.elements) {
    if (field.name && !field.value) field.disabled = true;
  }
});
