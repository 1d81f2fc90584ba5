// The API reference. A change that is tried out carries the CSRF token of the viewer's session.
const host = document.getElementById('swagger');
const root = document.documentElement;

// Swagger UI has a dark theme of its own.
const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
root.classList.toggle('dark-mode', isDark);

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
