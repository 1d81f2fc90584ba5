"""The HTTP edge: limits, middleware, errors, OpenAPI, authentication."""
