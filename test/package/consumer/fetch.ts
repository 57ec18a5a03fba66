import { createSessions } from 'coatcheck'
import { fetchSessions, openSession, requireRole, requireThat, requireUser, sameOrigin } from 'coatcheck/fetch'
import { memoryStore } from 'coatcheck/memory'

const sessions = createSessions<{ views: number }>({ store: memoryStore() })
const withSession = fetchSessions(sessions, {
  secure: (request) => request.headers.get('x-forwarded-proto') === 'https',
})

// As frameworks declare them.
declare class NextRequest extends Request {
  readonly nextUrl: URL
}
type RouteHandler = (request: NextRequest, context: { params: Promise<{ id: string }> }) => Promise<Response>
interface LoaderArgs {
  readonly request: Request
  readonly params: { readonly id?: string }
}
type Middleware = (
  args: LoaderArgs,
  next: () => Promise<Response>,
) => Promise<Response | undefined> | Response | undefined

const plain = withSession(async (request) => Response.json({ ...(await request.json()), id: sessions.of(request).id }))
export const GET: RouteHandler = plain
export const POST: RouteHandler = withSession(
  requireUser()(async (request: NextRequest, { params }: { params: Promise<{ id: string }> }) => {
    const views: number = await sessions.of(request).increment('views')
    // @ts-expect-error Nobody has declared this field.
    sessions.of(request).data.unknown = 1
    return Response.json({ views, path: request.nextUrl.pathname, id: (await params).id })
  }),
)
export const action = withSession(
  sameOrigin()(
    requireRole('admin', { sessions })(({ request, params }: LoaderArgs) => Response.json([request.url, params.id])),
  ),
)
export const middleware: Middleware[] = [
  withSession(({ request }, next) => (sessions.of(request).userId === null ? Response.error() : next())),
  requireThat((session, request) => session.data.views === 1 && request.method === 'GET', { sessions })((_args, next) =>
    next(),
  ),
]
export async function loader({ request }: LoaderArgs): Promise<{ views: number; headers: Headers }> {
  const { session, commit } = await openSession(sessions, request)
  const views = await session.increment('views')
  const headers = new Headers()
  await commit(headers)
  return { views, headers }
}
// @ts-expect-error A handler has to return a response.
withSession(() => 'a string')
