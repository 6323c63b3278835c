export const SCOPES: string[]
