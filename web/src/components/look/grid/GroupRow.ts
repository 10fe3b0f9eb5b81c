import type { ICellRendererComp, ICellRendererParams } from 'ag-grid-community'

import type { Cell, GridRow } from '@/engine/types'

export interface GroupRowParams {
  readonly heading: (row: Extract<GridRow, { kind: 'group' }>) => { readonly value: string; readonly count: string; readonly action: string }
  readonly toggle: (key: Cell) => void
}

/** The heading of a group, over the whole width; a click or Enter folds and unfolds it. */
export class GroupRow implements ICellRendererComp<GridRow> {
  private readonly gui = document.createElement('button')

  init(params: ICellRendererParams<GridRow> & GroupRowParams): void {
    this.gui.type = 'button'
    this.gui.className = 'group-row'
    this.gui.tabIndex = -1
    this.refresh(params)
  }

  refresh(params: ICellRendererParams<GridRow> & GroupRowParams): boolean {
    const row = params.data
    if (row?.kind !== 'group') return false
    const { value, count, action } = params.heading(row)
    const mark = document.createElement('span')
    mark.className = row.expanded ? 'mark open' : 'mark'
    mark.ariaHidden = 'true'
    const name = document.createElement('strong')
    name.textContent = value
    const number = document.createElement('span')
    number.className = 'count'
    number.textContent = count
    this.gui.replaceChildren(mark, name, number)
    this.gui.ariaExpanded = String(row.expanded)
    this.gui.title = action
    this.gui.onclick = () => params.toggle(row.key)
    return true
  }

  getGui(): HTMLElement {
    return this.gui
  }
}
