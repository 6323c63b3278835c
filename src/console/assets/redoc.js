// A file and not a script in the page: the page's Content-Security-Policy runs nothing that stands inside it.
Redoc.init('/openapi.json', { expandResponses: '200,201,202' }, document.getElementById('page'))
