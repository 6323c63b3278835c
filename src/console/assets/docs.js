// A file, because the page's Content-Security-Policy allows no script inside the page.
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
