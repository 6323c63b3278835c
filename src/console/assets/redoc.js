// A file, because the page's Content-Security-Policy allows no script inside the page.
Redoc.init('/openapi.json', { expandResponses: '200,201,202' }, document.getElementById('page'))
