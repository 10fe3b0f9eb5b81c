import type { LineageAnswer, LineageNode } from '@/engine/types'

/** A lineage as a graph to walk on: neighbours by node, both ways, and how far downstream each node stands. */
export interface Family {
  readonly nodes: ReadonlyMap<string, LineageNode>
  readonly parents: ReadonlyMap<string, readonly string[]>
  readonly children: ReadonlyMap<string, readonly string[]>
  readonly edgeType: ReadonlyMap<string, string>
  readonly depth: ReadonlyMap<string, number>
  readonly seeds: ReadonlySet<string>
}

export const edgeKey = (from: string, to: string): string => `${from}>${to}`

export function familyOf(answer: LineageAnswer): Family {
  const nodes = new Map(Object.entries(answer.nodes))
  const parents = new Map<string, string[]>()
  const children = new Map<string, string[]>()
  const edgeType = new Map<string, string>()
  for (const { from_cid, to_cid, edge_type } of answer.edges) {
    const key = edgeKey(from_cid, to_cid)
    if (edgeType.has(key) || !nodes.has(from_cid) || !nodes.has(to_cid)) continue
    edgeType.set(key, edge_type)
    push(children, from_cid, to_cid)
    push(parents, to_cid, from_cid)
  }
  return { nodes, parents, children, edgeType, depth: depths(nodes.keys(), parents, children), seeds: new Set(answer.roots) }
}

function push(map: Map<string, string[]>, key: string, value: string): void {
  const found = map.get(key)
  if (found) found.push(value)
  else map.set(key, [value])
}

/** Longest way from a node without parents. Nodes of a cycle, which has no beginning, follow what was reached before them. */
function depths(all: Iterable<string>, parents: ReadonlyMap<string, readonly string[]>, children: ReadonlyMap<string, readonly string[]>): Map<string, number> {
  const open = new Map<string, number>()
  const depth = new Map<string, number>()
  for (const id of all) open.set(id, parents.get(id)?.length ?? 0)
  let ready = [...open].filter(([, count]) => count === 0).map(([id]) => id)
  while (open.size > 0) {
    if (ready.length === 0) ready = [open.keys().next().value!]
    const next: string[] = []
    for (const id of ready) {
      if (!open.delete(id)) continue
      depth.set(id, depth.get(id) ?? 0)
      for (const child of children.get(id) ?? []) {
        const left = open.get(child)
        if (left === undefined) continue
        depth.set(child, Math.max(depth.get(child) ?? 0, depth.get(id)! + 1))
        open.set(child, left - 1)
        if (left <= 1) next.push(child)
      }
    }
    ready = next
  }
  return depth
}

/** Everything upstream and downstream of a node, itself included. */
export function pathOf(family: Family, id: string): Set<string> {
  const found = new Set([id])
  for (const neighbours of [family.parents, family.children]) {
    const todo = [id]
    const seen = new Set(todo)
    for (let at = todo.pop(); at !== undefined; at = todo.pop())
      for (const next of neighbours.get(at) ?? [])
        if (!seen.has(next)) {
          seen.add(next)
          found.add(next)
          todo.push(next)
        }
  }
  return found
}

export interface Placed {
  readonly id: string
  readonly column: number
  readonly row: number
  /** Nodes folded away under this one. */
  readonly hidden: number
}

export interface Picture {
  readonly placed: readonly Placed[]
  readonly at: ReadonlyMap<string, Placed>
  readonly columns: number
  readonly rows: number
  readonly hidden: number
}

/**
 * Places for what is unfolded: a column for each step downstream, and rows so that whatever hangs on a node stands
 * together. A node with several parents hangs on the one that comes first; the other edges cross.
 */
export function pictureOf(family: Family, folded: ReadonlySet<string>): Picture {
  const placed: Placed[] = []
  const at = new Map<string, Placed>()
  const reached = new Set<string>()
  const starts = [...family.nodes.keys()].filter((id) => (family.parents.get(id)?.length ?? 0) === 0)
  const taken = new Set<string>()
  let row = 0
  // Deep chains would overflow a recursion: the stack is ours. `rows` collects where the children of a node stand.
  interface Frame { id: string; children: string[]; next: number; rows: number[] }
  const frame = (id: string): Frame => {
    reached.add(id)
    return { id, children: folded.has(id) ? [] : [...(family.children.get(id) ?? [])], next: 0, rows: [] }
  }
  const walk = (start: string): void => {
    const stack = [frame(start)]
    while (stack.length > 0) {
      const top = stack.at(-1)!
      const child = top.children[top.next]
      if (child !== undefined) {
        top.next += 1
        if (!reached.has(child)) stack.push(frame(child))
        continue
      }
      stack.pop()
      const [first, last] = [top.rows[0], top.rows.at(-1)]
      const column = family.depth.get(top.id) ?? 0
      let mine = first === undefined || last === undefined ? row++ : (first + last) / 2
      // What hangs on a node may stand in its own column, where a cycle was cut: then it gets a row of its own.
      const spots = (at: number): string[] => [`${column} ${Math.floor(at)}`, `${column} ${Math.ceil(at)}`]
      if (spots(mine).some((spot) => taken.has(spot))) mine = row++
      for (const spot of spots(mine)) taken.add(spot)
      const one: Placed = { id: top.id, column, row: mine, hidden: 0 }
      placed.push(one)
      at.set(top.id, one)
      stack.at(-1)?.rows.push(mine)
    }
  }
  for (const start of starts) if (!reached.has(start)) walk(start)
  if (folded.size === 0) for (const id of family.nodes.keys()) if (!reached.has(id)) walk(id)
  const counted = placed.map((one) => (folded.has(one.id) ? { ...one, hidden: hiddenUnder(family, one.id, at) } : one))
  for (const one of counted) at.set(one.id, one)
  const columns = Math.max(0, ...counted.map((one) => one.column)) + 1
  return { placed: counted, at, columns, rows: row, hidden: family.nodes.size - counted.length }
}

function hiddenUnder(family: Family, id: string, shown: ReadonlyMap<string, Placed>): number {
  const seen = new Set<string>()
  const todo = [...(family.children.get(id) ?? [])]
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    if (seen.has(at) || shown.has(at)) continue
    seen.add(at)
    todo.push(...(family.children.get(at) ?? []))
  }
  return seen.size
}

/** What to fold at first, so that about `most` nodes show: the furthest downstream of those that have children. */
export function firstFold(family: Family, most = 160): Set<string> {
  if (family.nodes.size <= most) return new Set()
  const byDepth = [...family.nodes.keys()].filter((id) => family.children.has(id)).sort((a, b) => family.depth.get(a)! - family.depth.get(b)!)
  const folded = new Set(byDepth)
  let shown = pictureOf(family, folded).placed.length
  for (const id of byDepth) {
    const more = family.children.get(id)!.length
    if (shown + more > most) continue
    folded.delete(id)
    shown += more
  }
  return folded
}

/** What must be unfolded for a node to show. */
export function unfoldedTo(family: Family, folded: ReadonlySet<string>, id: string): Set<string> {
  const next = new Set(folded)
  const todo = [...(family.parents.get(id) ?? [])]
  const seen = new Set<string>()
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    if (seen.has(at)) continue
    seen.add(at)
    next.delete(at)
    todo.push(...(family.parents.get(at) ?? []))
  }
  return next
}
