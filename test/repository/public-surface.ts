/**
 * What a user of the package can call: every function and method that the three doors export, with
 * what its documentation and the type tests have of it; and where the package's types say `any`.
 *
 * A verb of the DSL has an example of its own. Of other classes the example of the class may call its
 * methods, which mostly make sense together. Methods that a class has because an interface asks for
 * them (`implements`) are documented there, and left out.
 *
 * Read by the compiler's own eyes: TypeScript 6, which the reference pages are made with, since the
 * compiler of the project has no interface to ask.
 */
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import type ts from '../../docs/node_modules/typescript/lib/typescript.js'
import { filesUnder, repositoryRoot, sourceRoot } from './source-files.ts'

type Compiler = typeof ts

const compiler = createRequire(join(repositoryRoot, 'docs/package.json'))('typescript') as Compiler

export const DOORS = ['index.ts', 'testing/index.ts', 'rxjs/index.ts'] as const

/** A function or method of the public surface. */
export interface PublicCall {
  /** `KStream.filter`, `tumbling`. */
  readonly name: string
  /** Where it is declared: `dsl/k-stream.ts:42`. */
  readonly place: string
  readonly hasExample: boolean
  /** True when a type test asserts something of what it takes or gives. */
  readonly isTypeTested: boolean
}

export interface PublicSurface {
  readonly calls: readonly PublicCall[]
  /** Where a declaration file of the package says `any`: `dsl/graph.d.ts: line`. */
  readonly anys: readonly string[]
}

/** Reads the sources and the type tests. */
export function readPublicSurface(): PublicSurface {
  const tests = filesUnder('test', '.test-d.ts').map((path) => join(repositoryRoot, 'test', path))
  const doors = DOORS.map((path) => join(sourceRoot, path))
  const program = compiler.createProgram([...doors, ...tests], optionsOf())
  const checker = program.getTypeChecker()
  const declared = new Map<string, ts.Declaration[]>()
  for (const door of doors) {
    const source = program.getSourceFile(door) as ts.SourceFile
    const module = checker.getSymbolAtLocation(source) as ts.Symbol
    for (const exported of checker.getExportsOfModule(module)) {
      for (const [name, declarations] of callsOf(exported, checker))
        declared.set(name, declarations)
    }
  }
  const tested = new Set<ts.Node>()
  for (const path of tests) {
    const source = program.getSourceFile(path) as ts.SourceFile
    for (const declaration of testedIn(source, checker)) tested.add(declaration)
  }
  const calls = [...declared].map(([name, declarations]) => ({
    name,
    place: placeOf(declarations[0] as ts.Declaration),
    hasExample: declarations.some(hasExample),
    isTypeTested: declarations.some((declaration) => tested.has(declaration)),
  }))
  return { calls, anys: anysOf(program) }
}

function optionsOf(): ts.CompilerOptions {
  const path = join(repositoryRoot, 'tsconfig.json')
  const { config } = compiler.readConfigFile(path, compiler.sys.readFile)
  const { options } = compiler.convertCompilerOptionsFromJson(
    config.compilerOptions,
    repositoryRoot,
  )
  return { ...options, noEmit: false, emitDeclarationOnly: true, sourceMap: false }
}

/** The functions and methods behind an exported name, by their public names. */
function callsOf(exported: ts.Symbol, checker: ts.TypeChecker): [string, ts.Declaration[]][] {
  const isAlias = (exported.flags & compiler.SymbolFlags.Alias) !== 0
  const symbol = isAlias ? checker.getAliasedSymbol(exported) : exported
  const declarations = symbol.declarations ?? []
  const [first] = declarations
  if (first === undefined) return []
  if (compiler.isFunctionDeclaration(first)) return [[exported.name, declarations]]
  if (compiler.isVariableDeclaration(first)) {
    const isFunction = checker.getTypeOfSymbol(symbol).getCallSignatures().length > 0
    return isFunction ? [[exported.name, declarations]] : []
  }
  if (!compiler.isClassDeclaration(first)) return []
  const asked = askedOf(first, checker)
  const methods = new Map<string, ts.Declaration[]>()
  for (const member of membersOf(first, checker)) {
    if (!compiler.isMethodDeclaration(member) && !compiler.isGetAccessor(member)) continue
    if (!compiler.isIdentifier(member.name) || isHidden(member)) continue
    if (asked.has(member.name.text)) continue
    const name = `${exported.name}.${member.name.text}`
    methods.set(name, [...(methods.get(name) ?? []), member])
  }
  return [...methods]
}

/** The members of a class, and of the one it extends. */
function membersOf(declaration: ts.ClassDeclaration, checker: ts.TypeChecker): ts.ClassElement[] {
  const clause = declaration.heritageClauses?.find(
    ({ token }) => token === compiler.SyntaxKind.ExtendsKeyword,
  )
  const extended = clause?.types[0]
  const parent =
    extended === undefined
      ? undefined
      : checker.getTypeAtLocation(extended).symbol.declarations?.[0]
  const isOurs =
    parent !== undefined &&
    compiler.isClassDeclaration(parent) &&
    parent.getSourceFile().fileName.startsWith(sourceRoot)
  return [...declaration.members, ...(isOurs ? membersOf(parent, checker) : [])]
}

/** Names of the members that the interfaces of a class ask for. */
function askedOf(declaration: ts.ClassDeclaration, checker: ts.TypeChecker): Set<string> {
  const clauses = declaration.heritageClauses ?? []
  const types = clauses
    .filter(({ token }) => token === compiler.SyntaxKind.ImplementsKeyword)
    .flatMap((clause) => clause.types)
  const members = types.flatMap((type) => checker.getTypeAtLocation(type).getProperties())
  return new Set(members.map(({ name }) => name))
}

/** Private, or marked as not for users. */
function isHidden(member: ts.ClassElement): boolean {
  const isPrivate =
    (compiler.getCombinedModifierFlags(member) & compiler.ModifierFlags.Private) !== 0
  return (
    isPrivate || compiler.getJSDocTags(member).some(({ tagName }) => tagName.text === 'internal')
  )
}

function hasExample(declaration: ts.Declaration): boolean {
  if (examplesOf(declaration) !== '') return true
  const { parent } = declaration
  if (!compiler.isClassDeclaration(parent) || placeOf(declaration).startsWith('dsl/')) return false
  const name = (declaration as ts.MethodDeclaration).name.getText()
  const siblings = parent.members.map(examplesOf).join('\n')
  return new RegExp(`\\.${name}\\b`).test(`${examplesOf(parent)}\n${siblings}`)
}

/** The code of the examples of a declaration. */
function examplesOf(declaration: ts.Node): string {
  return compiler
    .getJSDocTags(declaration)
    .filter(({ tagName }) => tagName.text === 'example')
    .map((tag) => tag.getText())
    .join('\n')
}

function placeOf(declaration: ts.Declaration): string {
  const source = declaration.getSourceFile()
  const { line } = source.getLineAndCharacterOfPosition(declaration.getStart())
  return `${relative(sourceRoot, source.fileName)}:${line + 1}`
}

/**
 * What the assertions of a type test are about: the calls within `expectTypeOf(...)`, those that made
 * a variable which is named there, and those of a statement that is expected to be an error.
 */
function testedIn(source: ts.SourceFile, checker: ts.TypeChecker): Set<ts.Node> {
  const found = new Set<ts.Node>()
  const followed = new Set<ts.Node>()

  function take(node: ts.Node): void {
    if (compiler.isIdentifier(node)) {
      const symbol = checker.getSymbolAtLocation(node)
      const isAlias = symbol !== undefined && (symbol.flags & compiler.SymbolFlags.Alias) !== 0
      const target = isAlias ? checker.getAliasedSymbol(symbol) : symbol
      for (const declaration of target?.declarations ?? []) {
        found.add(declaration)
        if (followed.has(declaration) || declaration.getSourceFile() !== source) continue
        followed.add(declaration)
        const made = variableOf(declaration)?.initializer
        if (made !== undefined) take(made)
      }
    }
    compiler.forEachChild(node, take)
  }

  function walk(node: ts.Node): void {
    if (isAssertion(node) || isExpectedError(node)) take(node)
    compiler.forEachChild(node, walk)
  }

  function isExpectedError(node: ts.Node): boolean {
    if (!compiler.isStatement(node) || compiler.isBlock(node)) return false
    const lines = source.text.slice(node.getFullStart(), node.getEnd())
    return lines.includes('@ts-expect-error')
  }

  walk(source)
  return found
}

function isAssertion(node: ts.Node): boolean {
  if (!compiler.isCallExpression(node)) return false
  return compiler.isIdentifier(node.expression) && node.expression.text === 'expectTypeOf'
}

/** The variable that a name, also one taken out of an object, was declared with. */
function variableOf(declaration: ts.Node): ts.VariableDeclaration | undefined {
  if (compiler.isVariableDeclaration(declaration)) return declaration
  return compiler.isBindingElement(declaration) ? variableOf(declaration.parent.parent) : undefined
}

/** Every `any` of the declaration files that the package would have. */
function anysOf(program: ts.Program): string[] {
  const anys: string[] = []
  program.emit(
    undefined,
    (path, text) => {
      if (!path.endsWith('.d.ts') || !path.startsWith(sourceRoot)) return
      const file = compiler.createSourceFile(path, text, compiler.ScriptTarget.Latest, true)
      const walk = (node: ts.Node): void => {
        if (node.kind === compiler.SyntaxKind.AnyKeyword) {
          anys.push(`${relative(sourceRoot, path)}: ${node.parent.getText()}`)
        }
        compiler.forEachChild(node, walk)
      }
      walk(file)
    },
    undefined,
    true,
  )
  return anys
}
