/** As much of React Router, which is not installed, as the samples use: the files of a package that does the same. */
export const REACT_ROUTER: Record<string, string> = {
  'package.json': JSON.stringify({ name: 'react-router', type: 'module', exports: './index.js' }),
  'index.js': `
    export const createContext = () => ({})
    export const redirect = (url) => new Response(null, { status: 302, headers: { Location: url } })
    export const data = (value, init) => ({ data: value, init })
    export class RouterContextProvider {
      #values = new Map()
      get(context) { return this.#values.get(context) }
      set(context, value) { this.#values.set(context, value) }
    }
  `,
  'index.d.ts': `
    export interface RouterContext<T> { readonly defaultValue?: T }
    export function createContext<T>(): RouterContext<T>
    export function redirect(url: string): Response
    export function data<T>(value: T, init: ResponseInit): { data: T; init: ResponseInit }
    export class RouterContextProvider {
      get<T>(context: RouterContext<T>): T
      set<T>(context: RouterContext<T>, value: T): void
    }
    export interface LoaderFunctionArgs {
      request: Request
      params: Record<string, string | undefined>
      context: Readonly<RouterContextProvider>
    }
    export type MiddlewareFunction<Result> = (
      args: LoaderFunctionArgs, next: () => Promise<Result>
    ) => Promise<Result | undefined> | Result | undefined
  `,
}
