import { createSessions } from 'coatcheck'
import { honoSessions, requireRole, requireThat, requireUser, sameOrigin } from 'coatcheck/hono'
import { memoryStore } from 'coatcheck/memory'
import { Hono } from 'hono'

const sessions = createSessions<{ views: number }>({ store: memoryStore() })
const admin = createSessions({ store: memoryStore(), cookie: { name: 'admin' } })
export default new Hono()
  .use(sameOrigin(), honoSessions(sessions))
  .use(honoSessions(admin, { variable: 'office' }))
  .use(requireThat((session) => session.data.views === 1, { sessions }))
  .get('/views', requireUser(), async (c) => {
    const views: number = await c.var.session.increment('views')
    // @ts-expect-error Nobody has declared this field.
    c.var.session.data.unknown = 1
    return c.json({ views, office: c.var.office.id })
  })
  .get('/office', requireRole('admin', { sessions: admin }), (c) => c.text(String(sessions.of(c).userId)))
