// A choice in a form with `data-submit` takes effect at once; empty fields are left out of the address.
document.addEventListener('change', (event) => {
  if (event.target.matches('[data-submit]')) event.target.form.requestSubmit();
});

document.addEventListener('formdata', (event) => {
  if (event.target.method !== 'get') return;
  for (const [name, value] of [...event.formData]) if (value === '') event.formData.delete(name);
});

// Excel in Japan saves CSV as CP932, which browsers call shift_jis.
const decode = (bytes) => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('shift_jis').decode(bytes);
  }
};

// A file is read into the text field that `data-into` names, where it can be looked at before it is sent.
document.addEventListener('change', async (event) => {
  const into = document.getElementById(event.target.dataset?.into ?? '');
  const file = event.target.files?.[0];
  if (into && file) into.value = decode(await file.arrayBuffer());
});

// A form that was refused may stand far below the top of its page: go to its first wrong field, else to the reason.
const wrong = document.querySelector('[aria-invalid="true"]');
wrong?.focus({ preventScroll: true });
(wrong ?? document.querySelector('[data-refused]'))?.scrollIntoView({ block: 'center' });
