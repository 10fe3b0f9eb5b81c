import { describe, expect, it } from 'vitest'

import type { LineageAnswer } from '@/engine/types'

import { familyOf, firstFold, pathOf, pictureOf, unfoldedTo, type Picture } from './lineage'

/** A lineage from `parent>child` pairs. */
function answer(...pairs: string[]): LineageAnswer {
  const edges = pairs.map((pair) => {
    const [from_cid, to_cid] = pair.split('>') as [string, string]
    return { from_cid, to_cid, edge_type: 'split_from' as const }
  })
  const ids = [...new Set(edges.flatMap((edge) => [edge.from_cid, edge.to_cid]))]
  const nodes = Object.fromEntries(
    ids.map((id) => [id, { container_id: id, container_name: id, mfgorder_name: null, wafer_lot: null, node_type: 'LOT' as const }]),
  )
  return { stage: 'lineage', direction: 'backward', names: {}, roots: [], nodes, edges, total_nodes: ids.length, depth: 0, truncated: false }
}

const places = (picture: Picture): string[] => picture.placed.map((one) => `${one.column} ${Math.round(one.row)}`)

/** Numbers from a seed, so that a failure can be had again. */
function random(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48271) % 2147483647) / 2147483647
}

describe('a picture of a lineage', () => {
  it('has a column for each step downstream, by the longest way', () => {
    const family = familyOf(answer('w>a', 'a>b', 'w>b', 'b>c'))
    expect(Object.fromEntries(family.depth)).toEqual({ w: 0, a: 1, b: 2, c: 3 })
  })

  it('shows every node once and none on top of another, whatever hangs together how', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const next = random(seed)
      const size = 2 + Math.floor(next() * 40)
      const pairs = Array.from({ length: size * 2 }, () => `${Math.floor(next() * size)}>${Math.floor(next() * size)}`)
      const family = familyOf(answer(...pairs))
      const picture = pictureOf(family, new Set())
      expect(new Set(picture.placed.map((one) => one.id)).size).toBe(family.nodes.size)
      expect(new Set(places(picture)).size, `seed ${seed}`).toBe(family.nodes.size)
    }
  })

  it('tells how many nodes a fold hides, and shows them again on the way to one of them', () => {
    const family = familyOf(answer('w>a', 'a>b', 'a>c', 'c>d'))
    const folded = new Set(['a'])
    const picture = pictureOf(family, folded)
    expect(picture.placed.map((one) => one.id).sort()).toEqual(['a', 'w'])
    expect(picture.at.get('a')?.hidden).toBe(3)
    expect(picture.hidden).toBe(3)
    expect(pictureOf(family, unfoldedTo(family, folded, 'd')).at.has('d')).toBe(true)
  })

  it('begins with few enough nodes to read, of 5,000', () => {
    const pairs = Array.from({ length: 5000 }, (_, i) => `${Math.floor(i / 7)}>${i + 1}`)
    const family = familyOf(answer(...pairs))
    const picture = pictureOf(family, firstFold(family))
    expect(picture.placed.length).toBeGreaterThan(20)
    expect(picture.placed.length).toBeLessThanOrEqual(160)
    expect(picture.placed.length + picture.hidden).toBe(5001)
  })

  it('follows a node up and down, but not to its cousins, and ends in a cycle', () => {
    const family = familyOf(answer('w>a', 'w>b', 'a>c', 'b>d', 'c>a'))
    expect([...pathOf(family, 'c')].sort()).toEqual(['a', 'c', 'w'])
  })
})
