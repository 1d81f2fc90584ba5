// The API reference. A change that is tried out carries the CSRF token of the viewer's session.
const host = document.getElementById('swagger');
const root = document.documentElement;

const dark = matchMedia('(prefers-color-scheme: dark)');

// Swagger UI has a dark theme of its own.
const colour = () => {
  root.classList.toggle('dark-mode', root.dataset.theme ? root.dataset.theme === 'dark' : dark.matches);
};
colour();
document.addEventListener('redraw', colour);
dark.addEventListener('change', colour);

window.SwaggerUIBundle({
  url: '/openapi.json',
  domNode: host,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (host.dataset.csrf) request.headers['x-csrf-token'] = host.dataset.csrf;
    return request;
  },
});
