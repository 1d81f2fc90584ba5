// Colours of the theme that is shown: tokens of the style sheet, such as `ink-2`, by any keys.
export const colours = (tokens) => {
  const probe = document.body.appendChild(document.createElement('i'));
  const found = Object.entries(tokens).map(([key, token]) => {
    probe.style.color = `var(--${token})`;
    return [key, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(found);
};
