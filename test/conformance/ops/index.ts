/**
 * All translations, a file for each family of ops. Of an op's translations the first that accepts
 * what the step stands on is taken.
 */
import { aggregations } from './aggregations.ts'
import { cogroup } from './cogroup.ts'
import { grouping } from './grouping.ts'
import { joins } from './joins.ts'
import { processors } from './processors.ts'
import { sinks } from './sinks.ts'
import { sources } from './sources.ts'
import { stateless } from './stateless.ts'
import { suppressions } from './suppress.ts'
import { tables } from './tables.ts'
import type { Translation } from './translation.ts'

export const TRANSLATIONS: readonly Translation[] = [
  ...sources,
  ...stateless,
  ...sinks,
  ...grouping,
  ...aggregations,
  ...cogroup,
  ...joins,
  ...processors,
  ...suppressions,
  ...tables,
]
