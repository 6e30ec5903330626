// One operation may ask for answers of both consistencies: what is below a STRONG field is never judged by an older answer.
import { expect, test } from 'vitest'
import { judgeCaller } from '#graphql/context.ts'
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
