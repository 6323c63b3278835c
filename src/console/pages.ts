import type { Context } from 'hono'
import type { App } from '../context'
export const swaggerPage = ''
export const redocPage = ''
export const page = (c: Context<App>, html: string) => c.html(html)
