// A box around a plaintext: whatever prints it, on purpose or by accident, prints `[redacted]`. A class, the only one,
// because only a private field is out of reach of JSON, inspection, spreading and structured cloning alike.
import { inspect } from 'node:util'

const REDACTED = '[redacted]'

export class Secret {
  readonly #plaintext: string

  constructor(plaintext: string) {
    this.#plaintext = plaintext
    Object.freeze(this)
  }

  /** The plaintext: for the answer that issues it, a digest, a seal or a connection, never for a log or an error. */
  reveal(): string {
    return this.#plaintext
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}
