export interface TableRow {
  readonly target: string
  readonly windowStart: number
  readonly windowEnd: number
  readonly hits: number
  readonly bytes: number
}

export function webLogTable(
  bytes: Buffer,
  windowMs: number,
): { readonly rows: TableRow[]; readonly lines: number; readonly rejected: number }
