import {
  CellStyleModule,
  ColumnApiModule,
  ColumnAutoSizeModule,
  DateFilterModule,
  InfiniteRowModelModule,
  LocaleModule,
  ModuleRegistry,
  NumberFilterModule,
  RenderApiModule,
  RowApiModule,
  RowStyleModule,
  ScrollApiModule,
  TextFilterModule,
  themeQuartz,
  type ColDef,
  type GridOptions,
} from 'ag-grid-community'

import type { Cell, Column, GridRow } from '@/engine/types'
import { number, plantTime } from '@/i18n'

ModuleRegistry.registerModules([
  CellStyleModule,
  ColumnApiModule,
  ColumnAutoSizeModule,
  DateFilterModule,
  InfiniteRowModelModule,
  LocaleModule,
  NumberFilterModule,
  RenderApiModule,
  RowApiModule,
  RowStyleModule,
  ScrollApiModule,
  TextFilterModule,
])

/** The page's own colours; they are variables, so both themes come with them. */
const theme = themeQuartz.withParams({
  accentColor: 'var(--accent)',
  backgroundColor: 'var(--surface)',
  foregroundColor: 'var(--text)',
  textColor: 'var(--text)',
  borderColor: 'var(--line)',
  chromeBackgroundColor: 'var(--surface-2)',
  headerTextColor: 'var(--text-2)',
  oddRowBackgroundColor: 'var(--surface)',
  rowHoverColor: 'var(--surface-2)',
  fontFamily: 'inherit',
  fontSize: 12.5,
  headerFontSize: 11.5,
  headerFontWeight: 600,
  rowHeight: 28,
  headerHeight: 32,
  cellHorizontalPadding: 10,
  wrapperBorder: false,
  wrapperBorderRadius: 0,
})

const FILTERS: Readonly<Record<Column['type'], string | undefined>> = {
  string: 'agTextColumnFilter',
  integer: 'agNumberColumnFilter',
  number: 'agNumberColumnFilter',
  timestamp: 'agDateColumnFilter',
  boolean: undefined,
}

export function cellText(value: Cell | undefined, column: Column): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return number(value, 10)
  if (typeof value === 'boolean') return value ? '✓' : '✗'
  return column.type === 'timestamp' ? plantTime(value) : value
}

/** Container, equipment and other internal ids: 16 hex digits. */
const isId = (name: string): boolean => /^(CONTAINER|EQUIPMENT|RESOURCE|JOB)ID$/.test(name)

export function columnDef(column: Column, index: number, hidden: boolean): ColDef<GridRow, Cell> {
  const numeric = column.type === 'number' || column.type === 'integer'
  const filter = FILTERS[column.type]
  return {
    colId: column.name,
    headerName: column.name,
    hide: hidden,
    width: column.type === 'timestamp' ? 168 : numeric ? 110 : column.name === 'CONTAINERNAME' ? 178 : 150,
    maxWidth: 420,
    // Their widest text is known; what is measured is only what happens to be drawn.
    suppressAutoSize: column.type === 'timestamp' || column.name === 'CONTAINERNAME',
    sortable: true,
    resizable: true,
    filter: filter ?? false,
    floatingFilter: filter !== undefined,
    filterParams: { debounceMs: 200, maxNumConditions: 4, buttons: ['reset'] },
    valueGetter: ({ data }) => (data?.kind === 'record' ? data.cells[index] : undefined),
    valueFormatter: ({ value }) => cellText(value, column),
    ...(numeric ? { type: 'rightAligned', cellClass: 'number' } : {}),
    ...(isId(column.name) ? { cellClass: 'mono', width: 158, suppressAutoSize: true } : {}),
  }
}

/** Rows a request to the worker; about two screens. */
export const BLOCK_ROWS = 100

export const BASE: GridOptions<GridRow> = {
  theme,
  rowModelType: 'infinite',
  cacheBlockSize: BLOCK_ROWS,
  maxBlocksInCache: 12,
  maxConcurrentDatasourceRequests: 4,
  blockLoadDebounceMillis: 20,
  cacheOverflowSize: 1,
  suppressDragLeaveHidesColumns: true,
  enableCellTextSelection: false,
  alwaysMultiSort: false,
  multiSortKey: 'ctrl',
  animateRows: false,
  suppressNoRowsOverlay: true,
  isFullWidthRow: ({ rowNode }) => rowNode.data?.kind === 'group',
}
