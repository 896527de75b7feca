// Proves that each rule of openapi/spectral.yaml reports a violation: breaks the contract in one place
// for each rule and checks that the linter reports this rule, and no other rule of ours. Imports only
// modules of Node.
//
//     node tests/lint/bites.mjs SPECTRAL
//
// SPECTRAL is the executable of the linter. The broken copies are written to target/lint/broken/.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'

const RULES = 'openapi/spectral.yaml'
const BROKEN = 'target/lint/broken'

// [rule, description, text of the contract, replacement]; the first match is replaced.
const CASES = [
  ['operation-id-is-camel-case', 'snake_case', 'operationId: listUsers', 'operationId: list_users'],
  ['operation-id-is-camel-case', 'missing', '      operationId: listUsers\n', ''],
  ['operation-operationId-unique', 'twice', 'operationId: createUser', 'operationId: listUsers'],
  ['operation-has-words', 'no summary', '      summary: List users\n', ''],
  ['operation-has-words', 'no description', /      description: All users, or one page.*\n/, ''],
  ['operation-singular-tag', 'two tags', 'tags: [Users]', 'tags: [Users, Cart]'],
  ['operation-tags', 'no tag', '      tags: [Users]\n', ''],
  ['operation-tag-defined', 'an undeclared tag', 'tags: [Users]', 'tags: [People]'],
  ['tag-description', 'a tag without description', /    description: The products that the shop sells\n/, ''],
  ['license-url', 'a licence without URL', /    url: https:\/\/opensource.*\n/, ''],
  ['info-contact', 'no contact', /  contact:\n    name: .*\n/, ''],
  ['property-has-words', 'a property without description', "          description: The user's id\n", ''],
  ['property-has-words', 'a schema without description', '      description: A user of the shop\n', ''],
  ['body-has-example', 'a request', /            example:\n(              .*\n)+      responses:/, '      responses:'],
  ['body-has-example', 'a response', /              example:\n(                .*\n)+/, ''],
  ['parameter-has-example', 'a parameter', /      example: 2\n/, ''],
  ['parameter-has-example', 'a header', /      example: \/api\/users\/6\n/, ''],
  ['parameter-is-shared', 'written in place', "        - $ref: '#/components/parameters/Page'",
    '        - {name: page, in: query, description: A page, schema: {type: boolean}, example: true}'],
  ['parameter-is-shared', 'a header in place', "              $ref: '#/components/headers/RequestId'",
    '              schema: {type: boolean}'],
  ['oas3-valid-media-example', 'an example of another schema', 'role: ADMIN', 'role: KING'],
  ['operation-can-fail', 'no 503', "        '503':\n          $ref: '#/components/responses/ServiceUnavailable'\n", ''],
  ['operation-can-fail', 'no 401', "        '401':\n          $ref: '#/components/responses/Unauthenticated'\n", ''],
  ['operation-has-security', 'no security', "      security:\n        - bearerAuth: []\n", ''],
  ['operation-has-security', 'only without a token', /        - bearerAuth: \[\]\n        - \{\}/, '        - {}'],
  ['error-is-shared', 'written in place', "          $ref: '#/components/responses/InvalidSearch'",
    '          description: No'],
  ['error-is-in-the-envelope', 'another schema',
    /(    InvalidSearch:\n(?:.*\n)*?            \$ref: '#\/components\/schemas\/)ErrorResponse/, '$1ErrorInfo'],
  ['error-is-in-the-envelope', 'no body', /(    UserNotFound:\n(?:.*\n)*?)      content:\n(?:        .*\n)+/, '$1'],
  ['error-is-in-the-envelope', 'another media type', /(    UserNotFound:\n(?:.*\n)*?)        application\/json/, '$1        application/problem+json'],
  ['not-modified-has-no-body', 'a body', /(    NotModified:\n(?:.*\n)*?)      headers:\n/,
    "$1      content: {application/json: {schema: {$ref: '#/components/schemas/UserResponse'}, example: {}}}\n      headers:\n"],
  ['not-modified-has-no-body', 'no tag', /(    NotModified:\n(?:.*\n)*?)        ETag:\n.*\n/, '$1'],
  ['not-modified-has-no-body', 'an error instead', "$ref: '#/components/responses/NotModified'",
    "$ref: '#/components/responses/UserNotFound'"],
  ['string-has-max-length', 'a property', '          maxLength: 255\n', ''],
  ['string-has-max-length', 'a header', /        maxLength: 66\n/, ''],
  ['integer-has-range', 'no maximum', /        maximum: 2147483647\n/, ''],
  ['integer-has-range', 'no minimum', '          minimum: 0\n', ''],
  ['request-array-has-max-items', 'no maximum', /(    UserDraft:\n(?:.*\n)*?      properties:\n)/,
    '$1        tags:\n          description: Tags\n          type: array\n          items: {$ref: "#/components/schemas/Role"}\n'],
  ['body-schema-has-a-name', 'a request', "$ref: '#/components/schemas/UserDraft'", 'type: object'],
  ['body-schema-has-a-name', 'a response', "$ref: '#/components/schemas/UserListResponse'", 'type: object'],
]

const [spectral] = process.argv.slice(2)
const contract = readFileSync('openapi/openapi.yaml', 'utf8')
const rules = readFileSync(RULES, 'utf8')
const ours = [...rules.slice(rules.indexOf('\nrules:')).matchAll(/^ {2}([a-z][A-Za-z-]*):/gm)].map((match) => match[1])

rmSync(BROKEN, { recursive: true, force: true })
mkdirSync(BROKEN, { recursive: true })
const problems = []
CASES.forEach(([rule, what, from, to], index) => {
  const broken = contract.replace(from, to)
  if (broken === contract) problems.push(`${rule}, ${what}: the contract does not have this text`)
  writeFileSync(`${BROKEN}/${index}.yaml`, broken)
})
for (const rule of ours.filter((rule) => !CASES.some(([known]) => known === rule))) {
  problems.push(`${rule}: no case violates it`)
}

const files = CASES.map((_, index) => `${BROKEN}/${index}.yaml`)
const run = spawnSync(spectral, ['lint', '--ruleset', RULES, '--format', 'json', '--quiet', ...files], {
  encoding: 'utf8',
  maxBuffer: 1 << 28,
})
if (run.error) throw run.error
const found = new Map(files.map((_, index) => [index, new Set()]))
for (const { code, source } of JSON.parse(run.stdout)) found.get(parseInt(basename(source)))?.add(code)
CASES.forEach(([rule, what], index) => {
  const reported = found.get(index)
  if (!reported.has(rule)) problems.push(`${rule}, ${what}: was not reported`)
  const others = [...reported].filter((code) => code !== rule && ours.includes(code))
  if (others.length > 0) problems.push(`${rule}, ${what}: ${others.join(', ')} was reported, too`)
})

problems.forEach((problem) => console.error(problem))
console.log(`${CASES.length} broken contracts for ${new Set(CASES.map(([rule]) => rule)).size} rules, ${problems.length} problems`)
process.exitCode = problems.length > 0 ? 1 : 0
