import { createSessions } from 'coatcheck'
import { expressSessionCookie } from 'coatcheck/from-express-session'
import { memoryStore } from 'coatcheck/memory'

export const sessions = createSessions<{ cart: string[] }>({
  store: memoryStore(),
  adopt: expressSessionCookie({
    store: memoryStore(),
    secret: ['newest', 'before'],
    user: ({ passport }) => passport?.user && { userId: String(passport.user), roles: ['editor'] },
  }),
})

interface Old {
  passport: { user: number }
  cart: string[]
  roles: string[]
}
export const typed = expressSessionCookie<Old>({
  store: memoryStore(),
  secret: Buffer.from('secret'),
  name: 'shop.sid',
  grace: '5m',
  user: async ({ passport, roles = [] }, { createdAt }) =>
    passport !== undefined && { userId: String(passport.user), roles, authenticatedAt: createdAt },
  data: ({ cart = [] }) => ({ cart }),
})
