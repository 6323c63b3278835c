// Replaces optional packages of hono-openapi that this project does not use (wrangler.toml, [alias]).
export default {}
