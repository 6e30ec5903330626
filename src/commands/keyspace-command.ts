// What the commands about a keyspace have in common: its input rules, how it is found, and how names stay unique.
import { z } from 'zod'
import { statement } from '#database/connect.ts'
import { kindOf, shardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import { PRESENTATION_PLACES } from '#domain/keyspace/presentation.ts'
import type { KeyspaceRefusal } from '#domain/keyspace/refusals.ts'
import { type BrokenRule, checkEachRule, checkRules } from '#domain/keyspace/rule-check.ts'
import { DEFAULT_RULES, type KeyspaceRules } from '#domain/keyspace/rules.ts'
import type { Stream } from '#domain/streams.ts'
import { type DecideStep, type LocateStep, refused, streamOf } from './command.ts'
import { nameInput } from './input.ts'
import { invalidInput } from './refusal.ts'

const CHANGED = 'must not be null'

const presentationsInput = z.array(z.object({ place: z.enum(PRESENTATION_PLACES), name: z.string() }), CHANGED)

/** Absent and null mean the default when a keyspace is made: there is nothing else that they must agree with. */
export const newRulesInput = z
  .object({
    prefix: z.string().nullish(),
    activeKeysMax: z.number().nullish(),
    liveCodesMax: z.number().nullish(),
    codesAtCreation: z.number().nullish(),
    codeLifetimeDays: z.number().nullish(),
    codeLifetimeDaysMax: z.number().nullish(),
    expiryRequired: z.boolean().nullish(),
    secretDisplay: z.enum(['ONCE', 'REVEALABLE']).nullish(),
    authorizations: z.enum(['EDITABLE', 'FROZEN']).nullish(),
    policyRequired: z.boolean().nullish(),
    customSecrets: z.boolean().nullish(),
    codeDeletion: z.enum(['ALWAYS', 'WHEN_DISABLED']).nullish(),
    defaultKeys: z.boolean().nullish(),
    defaultKeyName: nameInput.nullish(),
    managedBy: z.enum(['ADMINISTRATORS', 'OWNERS']).nullish(),
    upstreamUserRequired: z.boolean().nullish(),
    presentations: presentationsInput.nullish(),
  })
  .superRefine((rules, issues) => {
    const broken = checkRules(withDefaults(rules))
    if (broken !== undefined) addIssues(issues, [broken])
  })

/** Absent stays; null clears what can be unlimited and is wrong elsewhere. Whether they agree with those that stay is the decider's. */
export const changedRulesInput = z
  .object(
    {
      prefix: z.string(CHANGED).optional(),
      activeKeysMax: z.number().nullable().optional(),
      liveCodesMax: z.number(CHANGED).optional(),
      codesAtCreation: z.number(CHANGED).optional(),
      codeLifetimeDays: z.number().nullable().optional(),
      codeLifetimeDaysMax: z.number().nullable().optional(),
      expiryRequired: z.boolean(CHANGED).optional(),
      secretDisplay: z.enum(['ONCE', 'REVEALABLE'], CHANGED).optional(),
      authorizations: z.enum(['EDITABLE', 'FROZEN'], CHANGED).optional(),
      policyRequired: z.boolean(CHANGED).optional(),
      customSecrets: z.boolean(CHANGED).optional(),
      codeDeletion: z.enum(['ALWAYS', 'WHEN_DISABLED'], CHANGED).optional(),
      defaultKeys: z.boolean(CHANGED).optional(),
      defaultKeyName: nameInput.optional(),
      managedBy: z.enum(['ADMINISTRATORS', 'OWNERS'], CHANGED).optional(),
      upstreamUserRequired: z.boolean(CHANGED).optional(),
      presentations: presentationsInput.optional(),
    },
    'must not be null: give the rules to change, as rules are never cleared',
  )
  .superRefine((rules, issues) => addIssues(issues, checkEachRule(definedOnly(rules))))

function addIssues(issues: z.RefinementCtx, broken: readonly BrokenRule[]): void {
  for (const { rule, why } of broken) issues.addIssue({ code: 'custom', path: [rule], message: why })
}

export function withDefaults(rules: object): KeyspaceRules {
  const given = Object.entries(rules).filter(([, value]) => value !== undefined && value !== null)
  return { ...DEFAULT_RULES, ...Object.fromEntries(given) }
}

export function definedOnly<Rules extends object>(
  rules: Rules,
): { [Rule in keyof Rules]?: Exclude<Rules[Rule], undefined> } {
  const given = Object.entries(rules).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as { [Rule in keyof Rules]?: Exclude<Rules[Rule], undefined> }
}

/** The account an existing keyspace lies in, which never changes. */
export async function accountOfKeyspace({ transaction }: LocateStep, keyspaceId: string): Promise<string | undefined> {
  if (kindOf(keyspaceId) !== 'ks') return undefined
  const [row] = await transaction.run(
    statement<{ account_id: string }>('SELECT account_id FROM state.keyspace WHERE shard = $1 AND keyspace_id = $2', [
      shardOf(keyspaceId),
      keyspaceId,
    ]),
  )
  return row?.account_id
}

export function keyspaceStreamOf(step: DecideStep, keyspaceId: string): Stream<'keyspace'> {
  const stream = streamOf(step, 'keyspace', keyspaceId)
  invariant(stream !== undefined, 'a located keyspace is locked')
  return stream
}

/** Whether another keyspace bears the name. Exact, because whoever names one holds the account's lock. */
export async function isNameTaken(step: DecideStep, name: string, butBy: string | null): Promise<boolean> {
  const rows = await step.transaction.run(
    statement(
      `SELECT 1 FROM state.keyspace WHERE shard = $1 AND account_id = $2 AND name = $3 AND deleted_at IS NULL
          AND keyspace_id IS DISTINCT FROM $4`,
      [step.shard, step.accountId, name, butBy],
    ),
  )
  return rows.length > 0
}

export function refusedKeyspace(refusal: KeyspaceRefusal) {
  return refused(refusal.code === 'INVALID_RULE' ? invalidInput(['rules', refusal.rule], refusal.why) : refusal)
}
