// What can be asked of an account.

export type CreateAccount = {
  readonly type: 'CreateAccount'
  readonly name: string
  readonly managementKeyspaceId: string
}
export type UpdateAccount = { readonly type: 'UpdateAccount'; readonly name?: string | undefined }

export type AccountCommand = CreateAccount | UpdateAccount
