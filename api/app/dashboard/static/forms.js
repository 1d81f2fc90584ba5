// A choice in a form with `data-submit` takes effect at once; empty fields are left out of the address.
document.addEventListener('change', (event) => {
  if (event.target.matches('[data-submit]')) event.target.form.requestSubmit();
});

document.addEventListener('formdata', (event) => {
  if (event.target.method !== 'get') return;
  for (const [name, value] of [...event.formData]) if (value === '') event.formData.delete(name);
});
