// JSON as its text, for what is kept by the hundred thousand and seldom looked into: parsed, `[{},{},…]` takes ten times as much.
import type { Json } from './key/events.ts'

export class JsonText {
  readonly text: string

  constructor(value: Json) {
    this.text = JSON.stringify(value)
  }

  /** Made anew each time: nobody can change it for others. */
  parsed(): Json {
    return JSON.parse(this.text) as Json
  }
}
