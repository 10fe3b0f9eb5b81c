import type { components, paths } from './schema'

/** What the service's OpenAPI document (docs/openapi.json) says; `npm run api` makes `schema.d.ts` of it. */
export type Schemas = components['schemas']
export type Method = 'get' | 'post' | 'delete'

/** The paths that have an operation of this method. */
export type Route<M extends Method> = {
  [P in keyof paths]: paths[P] extends Readonly<Record<M, { readonly responses: unknown }>> ? P : never
}[keyof paths]

export type Operation<M extends Method, P extends Route<M>> = paths[P][M]

type JsonOf<R> = R extends { readonly content: { readonly 'application/json': infer T } } ? T : never
type Succeeded<R> = { [S in keyof R]: S extends 200 | 202 ? JsonOf<R[S]> : never }[keyof R]

/** The JSON of an answer that is a success; of several, any of them. */
export type Answer<O> = O extends { readonly responses: infer R } ? Succeeded<R> : never

type In<O, Where extends string> = O extends { readonly parameters: Readonly<Record<Where, infer T>> } ? T : never
type Query<O> = O extends { readonly parameters: { readonly query?: infer Q } } ? NonNullable<Q> : never
type Body<O> = O extends { readonly requestBody: { readonly content: { readonly 'application/json': infer B } } } ? B : never
type Named<Name extends string, T> = [T] extends [never] ? Readonly<Partial<Record<Name, never>>> : Readonly<Record<Name, T>>

/** What an operation is given: parts of its path, and its body, where it has them; its query as one likes. */
export type Given<O> = Named<'path', In<O, 'path'>> & Named<'body', Body<O>> & { readonly query?: Query<O> } & CallOptions

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly headers?: Readonly<Record<string, string>>
}
