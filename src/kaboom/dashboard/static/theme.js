// The light and the dark theme: at once, and kept in the cookie that the server reads.
const root = document.documentElement;
const dark = matchMedia('(prefers-color-scheme: dark)');

document.addEventListener('click', (event) => {
  const link = event.target.closest('[data-act="theme"]');
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : dark.matches;
  const theme = isDark ? 'light' : 'dark';
  root.dataset.theme = theme;
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  document.cookie = `kaboom_theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  document.dispatchEvent(new Event('redraw'));
});
