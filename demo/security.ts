import type { Request, RequestHandler } from 'express'

const POLICY = [
  "default-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ')

export const securityHeaders: RequestHandler = (_req, res, next) => {
  res.set({
    'Content-Security-Policy': POLICY,
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
  })
  next()
}

/** A form on another site must not act on the session here. */
export const refuseOtherSites: RequestHandler = (req, res, next) => {
  if (req.method === 'GET' || req.method === 'HEAD' || isFromHere(req)) next()
  else res.status(403).json({ error: 'Requests from other sites are refused' })
}

/**
 * Browsers say where a request comes from: in Sec-Fetch-Site, or, over http to another machine, only in Origin. What says
 * neither is no browser.
 */
function isFromHere(req: Request): boolean {
  const site = req.get('sec-fetch-site')
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const origin = req.get('origin')
  return origin === undefined || origin.replace(/^https?:\/\//, '') === req.get('host')
}
