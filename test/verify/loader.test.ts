// What is not remembered is read together: however many ask, little is under way, and each is told what was read after they asked.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { UnavailableError } from '#database/unavailable.ts'
import { deadlineIn } from '#verify/deadline.ts'
import { createLoader } from '#verify/loader.ts'

/** What is read, and when it is answered, is for the test to say. */
function setUp() {
  const sent: (readonly string[])[] = []
  const answers: PromiseWithResolvers<void>[] = []
  const loader = createLoader(async (wanted: readonly { readonly key: string }[]) => {
    const batch = sent.push(wanted.map(({ key }) => key))
    const answer = Promise.withResolvers<void>()
    answers.push(answer)
    await answer.promise
    return wanted.map(({ key }) => `${key}, read by ${batch}`)
  })
  return {
    sent,
    answers,
    load: (key: string, withinMs = 60_000) => loader.load({ key }, deadlineIn(withinMs)),
    async answer(batch: number) {
      answers[batch - 1]?.resolve()
      await nextTurn()
      await nextTurn()
    },
  }
}

describe('what is asked for at once', () => {
  test('is read at once, and what several ask for is read once', async () => {
    const { sent, load, answer } = setUp()
    const asked = Promise.all(['a', 'b', 'a', 'a'].map((key) => load(key)))
    await nextTurn()
    expect(sent).toEqual([['a', 'b']])
    await answer(1)
    expect(await asked).toEqual(['a', 'b', 'a', 'a'].map((key) => `${key}, read by 1`))
  })

  test('two batches are under way at most, and who asks meanwhile is told what is read later', async () => {
    const { sent, load, answer } = setUp()
    const asked: Promise<string>[] = []
    for (let turn = 0; turn < 50; turn++) {
      asked.push(load('a'), load(`own ${turn}`))
      await nextTurn()
    }
    expect(sent).toEqual([
      ['a', 'own 0'],
      ['a', 'own 1'],
    ])
    await answer(1)
    expect(sent).toHaveLength(3)
    expect(new Set(sent[2])).toEqual(new Set(['a', ...Array.from({ length: 48 }, (_, turn) => `own ${turn + 2}`)]))
    await answer(2)
    await answer(3)
    const told = await Promise.all(asked)
    expect(told.filter((answered) => answered.startsWith('a,'))).toEqual([
      'a, read by 1',
      'a, read by 2',
      ...Array.from({ length: 48 }, () => 'a, read by 3'),
    ])
  })

  test('more than can be read in time is refused', async () => {
    const { load, answer } = setUp()
    const asked = Promise.allSettled(Array.from({ length: 11_000 }, () => load('a')))
    await nextTurn()
    for (let batch = 1; batch <= 60; batch++) await answer(batch)
    const refused = (await asked).filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(1_000)
  })

  test('after a batch that failed the next one is read', async () => {
    const { sent, answers, load, answer } = setUp()
    const failing = Promise.allSettled([load('a')])
    await nextTurn()
    const other = load('b')
    await nextTurn()
    const waiting = load('c')
    answers[0]?.reject(new UnavailableError('away'))
    expect(await failing).toMatchObject([{ status: 'rejected', reason: { message: 'away' } }])
    await answer(2)
    await answer(3)
    expect(await Promise.all([other, waiting])).toEqual(['b, read by 2', 'c, read by 3'])
    expect(sent).toEqual([['a'], ['b'], ['c']])
  })
})

describe('each waits as long as they may', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('and others, for whom there is more time, go on', async () => {
    const { load, answer } = setUp()
    const hurried = Promise.allSettled([load('a', 100)])
    const patient = load('a', 1_000)
    await nextTurn()
    vi.advanceTimersByTime(101)
    expect(await hurried).toMatchObject([{ status: 'rejected', reason: { name: 'UnavailableError' } }])
    await answer(1)
    expect(await patient).toBe('a, read by 1')
  })

  test('and what nobody waits for any more is not read', async () => {
    const { sent, load, answer } = setUp()
    const first = [load('a')]
    await nextTurn()
    first.push(load('b'))
    await nextTurn()
    const late = Promise.allSettled([load('c', 100)])
    const patient = load('d')
    vi.advanceTimersByTime(101)
    expect(await late).toMatchObject([{ status: 'rejected' }])
    await answer(1)
    expect(sent[2]).toEqual(['d'])
    await answer(2)
    await answer(3)
    await Promise.all([...first, patient])
  })

  test('and where the time is over nothing is asked', async () => {
    const { sent, load } = setUp()
    await expect(load('a', 0)).rejects.toThrow(UnavailableError)
    await nextTurn()
    expect(sent).toEqual([])
  })
})
