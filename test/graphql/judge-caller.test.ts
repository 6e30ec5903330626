// One operation may ask for answers of both consistencies: what is below a STRONG field is never judged by an older answer.
import { expect, test, vi } from 'vitest'
import { MANAGEMENT_RULES } from '#domain/keyspace/rules.ts'
import { type ApiServices, createContext, judgeCaller, judgeCallerAnew } from '#graphql/context.ts'
import { mintSecret } from '#secret/mint.ts'
import { before, type Deadline } from '#verify/deadline.ts'
import { callerWith, untouchable } from './support.ts'

test('an older judgement that comes later does not take the place of the STRONG one', async () => {
  const [now, before] = [callerWith('keys.verify'), callerWith('*')]
  let answerBounded = (): void => undefined
  const bounded = new Promise<void>((resolve) => {
    answerBounded = resolve
  })
  const context = {
    ...untouchable(undefined),
    prove: async (_view: unknown, consistency: string) => {
      if (consistency === 'STRONG') return { caller: now, endsAt: null }
      await bounded
      return { caller: before, endsAt: null }
    },
  }
  const older = judgeCaller(context, 'BOUNDED')
  expect(await judgeCaller(context)).toBe(now)
  answerBounded()
  expect(await older).toBe(now)
  expect(context.caller).toBe(now)
})

test('an operation may take long, of many mutations or a stream: each judgement has its own time to wait', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  try {
    const { services } = untouchable(undefined)
    // Together nearly as long as may be waited for.
    const catchUp = async () => void vi.advanceTimersByTime(700)
    const find = (_presented: unknown, deadline: Deadline) =>
      before(deadline, async () => {
        vi.advanceTimersByTime(150)
        return []
      })
    const slow = { ...services, feed: { catchUp }, codes: { find }, waitsMaxMs: 900 } as unknown as ApiServices
    const audience = () => ({ gone: new AbortController().signal, tooSlow: new AbortController().signal })
    const request = {
      authorization: `Bearer ${mintSecret(MANAGEMENT_RULES.prefix).reveal()}`,
      accountId: undefined,
      correlationId: 'test',
      audience,
    }
    const context = createContext(slow, request)
    for (let mutation = 0; mutation < 5; mutation++) expect(await judgeCallerAnew(context)).toBeUndefined()
  } finally {
    vi.useRealTimers()
  }
})
