/** The functions that random programs are made of: see the README beside for what each does. */

export const PREDICATES = [
  'all',
  'none',
  'notNull',
  'even',
  'multipleOf:3',
  'moreThan:3',
  'moreThan:5',
  'startsWith:a',
  'contains:b',
  'valueIs:ab',
  'keyIs:k1',
  'keyStartsWith:k',
  'keyNotNull',
  'keepIfLongerThan:1',
  'keepIfLongerThan:2',
] as const

export const VALUE_FUNCTIONS = [
  'identity',
  'upper',
  'lower',
  'length',
  'firstChar',
  'append:!',
  'prepend:_',
  'const:c',
  'one',
  'null',
  'text',
  'toText',
  'toNumber',
  'numberAdd:3',
  'numberTimes:2',
  'nullIfEven',
  'nullIf:ab',
  'orElse:z',
  'withKey',
  'key',
  'part:0',
  'part:1',
] as const

export const KEY_FUNCTIONS = [
  'key',
  'value',
  'firstChar',
  'keyFirstChar',
  'part:0',
  'part:1',
  'mod:2',
  'mod:3',
  'length',
  'const:all',
  'keyText',
  'keyAndValue',
  'keyAppend:+',
  'keyUnless:ab',
  'firstCharUnless:ab',
  'valueUnless:a',
] as const

/** Of a windowed key something else. */
export const WINDOW_KEY_FUNCTIONS = [
  'innerKey',
  'innerKey',
  'value',
  'mod:2',
  'const:all',
  'keyText',
] as const

/** Of a table's row: a deletion must find the group that the row was put into. */
export const GROUP_FUNCTIONS = [
  'key',
  'value',
  'firstChar',
  'keyFirstChar',
  'mod:2',
  'part:0',
  'part:1',
  'length',
  'const:all',
  'valueUnless:a',
] as const

export const FOREIGN_KEYS = [
  'value',
  'firstChar',
  'part:1',
  'key',
  'keyFirstChar',
  'mod:2',
  'valueUnless:a',
] as const

export const LIST_FUNCTIONS = [
  'splitWords',
  'splitParts',
  'chars',
  'repeat:2',
  'none',
  'valueAndNull',
] as const

export const JOINERS = [
  'concat:-',
  'concat:/',
  'keyed:/',
  'sum',
  'diff',
  'min',
  'max',
  'first',
  'last',
  'nullIfEqual',
] as const

export const AGGREGATORS = [
  'concat',
  'concat:+',
  'sum',
  'sumNullIf:10',
  'count',
  'min',
  'max',
  'first',
  'last',
] as const

export const REDUCERS = [
  'concat',
  'concat:,',
  'sum',
  'sumNullIf:10',
  'min',
  'max',
  'first',
  'last',
] as const

export const MERGERS = ['concat', 'concat:&', 'sum', 'max', 'last'] as const

export const INITIAL_VALUES = [0, 5, '', '0'] as const

/** What takes a row out of a group again. */
export const SUBTRACTABLE = [
  { init: 0, adder: 'sum', subtractor: 'diff' },
  { init: 0, adder: 'count', subtractor: 'uncount' },
  { init: '', adder: 'concat:+', subtractor: 'removeFirst:+' },
  { init: 5, adder: 'sumNullIf:10', subtractor: 'diff' },
  { init: '', adder: 'last', subtractor: 'first' },
] as const

export const GRACES = [0, 0, 5, 10, 25, 60, 300] as const
