// A file and not a script in the page: the page's Content-Security-Policy runs nothing that stands inside it.
SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#page',
  // Without this Swagger UI sends the document's address to validator.swagger.io.
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: 'BaseLayout',
  deepLinking: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
})
