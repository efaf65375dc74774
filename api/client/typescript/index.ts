/** A small typed client of Kindred's HTTP interface: every operation by its name, its types generated from OpenAPI. */
import { routes } from "./routes.ts"
import type { components, operations } from "./schema.ts"

export type Schemas = components["schemas"]
export type Operation = keyof typeof routes & keyof operations

type Params<O extends Operation> = operations[O]["parameters"]
type Body<O extends Operation> = operations[O] extends { requestBody: { content: { "application/json": infer B } } }
  ? { body: B }
  : { body?: never }
type Query<O extends Operation> = Params<O> extends { query: infer Q } ? { query: Q }
  : Params<O> extends { query?: infer Q } ? { query?: Q } : { query?: never }
type Path<O extends Operation> = Params<O> extends { path: infer P } ? { path: P } : { path?: never }
/** What an operation is asked: its path, query and body, as far as it has them, and headers such as Idempotency-Key. */
export type Asked<O extends Operation> = Path<O> & Query<O> & Body<O> & { headers?: Record<string, string> }

type Good = 200 | 201 | 202
type Json<R> = R extends { content: { "application/json": infer J } } ? J : never
/** What an operation answers when all is well. */
export type Answer<O extends Operation> = {
  [S in keyof operations[O]["responses"]]: S extends Good ? Json<operations[O]["responses"][S]> : never
}[keyof operations[O]["responses"]]

/** The server said no, in a problem document (RFC 9457); it never repeats a value that was sent. */
export class ProblemError extends Error {
  readonly status: number
  readonly problem: Schemas["Problem"] | undefined
  readonly retryAfter: number | undefined

  constructor(status: number, problem: Schemas["Problem"] | undefined, retryAfter: number | undefined) {
    super(problem ? `${status} ${problem.title}: ${problem.detail}` : `${status}: the answer is no problem document`)
    this.name = "ProblemError"
    this.status = status
    this.problem = problem
    this.retryAfter = retryAfter
  }
}

export interface Options {
  url: string
  key: string
  /** How often one call is sent at most: 429 says that nothing was done, so it is always sent again. */
  tries?: number
  /** The longest wait between two tries, in seconds. */
  longest?: number
  fetch?: typeof fetch
}

export class Kindred {
  readonly #options: Required<Options>

  constructor(options: Options) {
    const { protocol, hostname } = new URL(options.url)
    if (protocol !== "https:" && !["localhost", "127.0.0.1", "[::1]"].includes(hostname)) {
      throw new Error("a key would travel in the open; use https:// for another machine")
    }
    this.#options = { tries: 4, longest: 10, fetch: (...sent) => fetch(...sent), ...options }
  }

  /** Call an operation by its name; throw `ProblemError` for what is not 200, 201 or 202. */
  async call<O extends Operation>(operation: O, asked: Asked<O>): Promise<Answer<O>> {
    const { url, key, tries, longest, fetch } = this.#options
    const [method, template] = routes[operation]
    const { path = {}, query = {}, body, headers } = asked as {
      path?: Record<string, string>
      query?: Record<string, unknown>
      body?: unknown
      headers?: Record<string, string>
    }
    const address = new URL(template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(path[name] ?? "")), url)
    for (const [name, value] of Object.entries(query)) {
      for (const one of [value].flat()) if (one != null) address.searchParams.append(name, String(one))
    }
    const json = body === undefined ? {} : { "content-type": "application/json" }
    const sent = { ...headers, ...json, accept: "application/json", authorization: `Bearer ${key}` }
    for (let tried = 1; ; tried++) {
      const answer = await fetch(address, { method, headers: sent, body: body === undefined ? null : JSON.stringify(body) })
      if ([200, 201, 202].includes(answer.status)) return (await answer.json()) as Answer<O>
      const after = Number(answer.headers.get("retry-after") ?? NaN)
      const wait = (after || 0) + Math.random() * 0.1 * 2 ** tried
      if (answer.status === 429 && tried < tries && wait <= longest) {
        await new Promise((resolve) => setTimeout(resolve, wait * 1000))
        continue
      }
      const problem = answer.headers.get("content-type")?.startsWith("application/problem+json")
      throw new ProblemError(answer.status, problem ? await answer.json() : undefined, after || undefined)
    }
  }
}
