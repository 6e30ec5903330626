// The access log: how keys were used, as services and proxies saw it.
import { type AccessLogRow, listAccess } from '#queries/access-log.ts'
import { Account } from './account.ts'
import { builder } from './builder.ts'
import { connectionOf, forward } from './connection.ts'
import { ApiKey } from './key.ts'
import { costOfPage } from './limits.ts'
import { VerificationCode } from './verification.ts'

export const AccessLogEntry = builder.objectRef<AccessLogRow>('AccessLogEntry').implement({
  description:
    'One use of a key, as a protected service or proxy saw and recorded it. Telemetry, not history: it ages out, and is as ' +
    'true as whoever recorded it.',
  fields: (t) => ({
    id: t.exposeID('entry_id', { needs: 'parent', description: 'Unique; good for nothing but to tell entries apart.' }),
    at: t.expose('at', { type: 'DateTime', needs: 'parent', description: 'When the request came, by the recorder.' }),
    keyId: t.exposeID('key_id', { needs: 'parent', description: 'The key, deleted or not.' }),
    codeId: t.exposeID('code_id', {
      nullable: true,
      needs: 'parent',
      description: 'The code of it that was presented; null where the recorder did not say, and of a linked key.',
    }),
    keyName: t.exposeString('key_name', { needs: 'parent', description: 'What the key was called then.' }),
    verdict: t.expose('verdict', { type: VerificationCode, needs: 'parent', description: 'What was said of the key.' }),
    method: t.exposeString('method', { nullable: true, needs: 'parent', description: 'Of the request.' }),
    path: t.exposeString('path', {
      nullable: true,
      needs: 'parent',
      description: 'Of the request, perhaps with its query; at most 2048 bytes, secrets redacted.',
    }),
    status: t.exposeInt('status', { nullable: true, needs: 'parent', description: 'Of the response.' }),
    durationMs: t.exposeInt('duration_ms', {
      nullable: true,
      needs: 'parent',
      description: 'Milliseconds from request to response.',
    }),
    clientIp: t.exposeString('client_ip', {
      nullable: true,
      needs: 'parent',
      description: "The client's address, as the recorder knows it.",
    }),
    userAgent: t.exposeString('user_agent', {
      nullable: true,
      needs: 'parent',
      description: 'What the client called itself; at most 512 bytes.',
    }),
    requestBody: t.exposeString('request_body', {
      nullable: true,
      needs: 'parent',
      description:
        "At most 64 KiB, ended by `…[cut]` where there was more, secrets redacted. Null unless the key's logging said so.",
    }),
    responseBody: t.exposeString('response_body', {
      nullable: true,
      needs: 'parent',
      description:
        "At most 64 KiB, ended by `…[cut]` where there was more, secrets redacted. Null unless the key's logging said so.",
    }),
  }),
})

const AccessLogConnection = connectionOf(AccessLogEntry, 'entries', { name: 'AccessLog', counted: false })

const AccessLogFilter = builder.inputType('AccessLogFilter', {
  description: 'Which entries to list: those for which everything that is given holds. Null is the same as absent.',
  fields: (t) => ({
    keyId: t.id({ description: 'Only uses of this key.' }),
    codeId: t.id({ description: 'Only uses of this code.' }),
    since: t.field({ type: 'DateTime', description: 'Only uses at this instant or later.' }),
    until: t.field({ type: 'DateTime', description: 'Only uses before this instant.' }),
    verdicts: t.field({ type: [VerificationCode], description: 'Only uses of which one of these was said.' }),
  }),
})

const chosenEntries = builder.args((t) => ({
  filter: t.field({ type: AccessLogFilter, description: 'Which entries. Absent: all.' }),
}))

const NEEDED = 'Null, with a FORBIDDEN error, without the permission logs.read.'

builder.objectField(Account, 'accessLog', (t) =>
  t.field({
    type: AccessLogConnection,
    nullable: true,
    needs: 'logs.read',
    args: { ...chosenEntries, ...forward },
    complexity: costOfPage,
    description: `How its keys were used, the newest first, those of its management keyspace and deleted ones included. ${NEEDED}`,
    resolve: ({ account_id: accountId }, { filter, ...page }, { reader }) =>
      listAccess(reader, { accountId, keyId: null }, filter, page),
  }),
)

builder.objectField(ApiKey, 'accessLog', (t) =>
  t.field({
    type: AccessLogConnection,
    nullable: true,
    needs: 'logs.read',
    args: { ...chosenEntries, ...forward },
    complexity: costOfPage,
    description: `How it was used, the newest first. ${NEEDED}`,
    resolve: ({ account_id: accountId, key_id: keyId }, { filter, ...page }, { reader }) =>
      listAccess(reader, { accountId, keyId }, filter, page),
  }),
)
