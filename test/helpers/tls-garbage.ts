/** What strangers send to a TLS endpoint: random bytes, other protocols, and TLS that is damaged, cut off or out of order. */

/** Random numbers from 0 to below 1. */
type Random = () => number

/** The content types of TLS records (RFC 8446, B.1); heartbeat is RFC 6520. */
const contentTypes = { changeCipherSpec: 20, alert: 21, handshake: 22, data: 23, heartbeat: 24 }
/** The longest content of a record that a peer may send (RFC 8446, 5.1). */
const maxRecordBytes = 16_384

/** An input as a client sends it, in the pieces in which it arrives, and how it ends. */
export interface Garbage {
  readonly kind: string
  readonly pieces: readonly Buffer[]
  /** The client ends its side, resets the connection, or says nothing more. */
  readonly ending: 'end' | 'reset' | 'silence'
}

/** Makes garbage, the same for the same random numbers. */
export class GarbageMaker {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** The names of all kinds. */
  get kinds(): readonly string[] {
    return Object.keys(this.#makers)
  }

  next(): Garbage {
    const kind = this.#oneOf(this.kinds)
    const bytes = this.#makers[kind]?.() ?? Buffer.alloc(0)
    return { kind, pieces: this.#cut(bytes), ending: this.#ending() }
  }

  /** A client's first message, as a library would send it (RFC 8446, 4.1.2): the server answers it. */
  hello(serverName = this.#name()): Buffer {
    const body = Buffer.concat([
      Buffer.from([3, 3]),
      this.#bytes(32),
      sized(1, this.#bytes(32)),
      sized(2, Buffer.from('13011302c02bc02fc02c', 'hex')),
      sized(1, Buffer.from([0])),
      sized(2, this.#extensions(serverName)),
    ])
    return record(contentTypes.handshake, message(1, body))
  }

  readonly #makers: Readonly<Record<string, () => Buffer>> = {
    nothing: () => Buffer.alloc(0),
    'random bytes': () => this.#bytes(this.#upTo(400)),
    text: () =>
      Buffer.from(this.#oneOf(['hello\r\n', 'EHLO example\r\n', '\r\n', 'example.org\r\n'])),
    HTTP: () => Buffer.from(`GET /${'x'.repeat(this.#upTo(300))} HTTP/1.1\r\nHost: a\r\n\r\n`),
    'PROXY header': () => Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 5555 443\r\n'),
    'SSLv2 hello': () => Buffer.from('802e0100020015000000100100800300800700c0', 'hex'),
    alert: () => record(contentTypes.alert, Buffer.from([1 + this.#upTo(2), this.#upTo(256)])),
    'another record': () =>
      record(this.#oneOf(Object.values(contentTypes)), this.#bytes(this.#upTo(200))),
    'an unknown record': () => record(this.#upTo(256), this.#bytes(this.#upTo(100))),
    'empty records': () =>
      Buffer.concat(Array.from({ length: 1 + this.#upTo(60) }, () => record(22, Buffer.alloc(0)))),
    'a record that is too long': () =>
      Buffer.concat([
        Buffer.from([contentTypes.handshake, 3, 1]),
        uint(2, maxRecordBytes + 1 + this.#upTo(40_000)),
        this.#bytes(this.#upTo(2_000)),
      ]),
    'a hello that is cut off': () => {
      const hello = this.hello()
      return hello.subarray(0, this.#upTo(hello.length))
    },
    'a damaged hello': () => this.#damaged(this.hello()),
    'a hello and random bytes': () => Buffer.concat([this.hello(), this.#bytes(this.#upTo(300))]),
    'a hello and another record': () =>
      Buffer.concat([
        this.hello(),
        record(this.#oneOf(Object.values(contentTypes)), this.#bytes(1 + this.#upTo(200))),
      ]),
    'two hellos': () => Buffer.concat([this.hello(), this.hello()]),
    'a hello and the wrong message': () =>
      Buffer.concat([
        this.hello(),
        record(22, message(this.#upTo(30), this.#bytes(this.#upTo(100)))),
      ]),
  }

  /** The extensions that TLS 1.3 needs (RFC 8446, 9.2), and a server name. */
  #extensions(serverName: string): Buffer {
    const name = sized(2, Buffer.concat([Buffer.from([0]), sized(2, Buffer.from(serverName))]))
    const share = Buffer.concat([Buffer.from('001d', 'hex'), sized(2, this.#bytes(32))])
    return Buffer.concat([
      extension(0, name),
      extension(10, sized(2, Buffer.from('001d0017', 'hex'))),
      extension(13, sized(2, Buffer.from('040308040401', 'hex'))),
      extension(43, sized(1, Buffer.from('03040303', 'hex'))),
      extension(51, sized(2, share)),
    ])
  }

  /** Some are no names. */
  #name(): string {
    return this.#oneOf(['a.example', 'other.example', 'x'.repeat(200), 'a..b', 'ä', 'a\0b'])
  }

  #damaged(bytes: Buffer): Buffer {
    const damaged = Buffer.from(bytes)
    for (let left = 1 + this.#upTo(4); left > 0; left -= 1) {
      damaged[this.#upTo(damaged.length)] = this.#upTo(256)
    }
    return damaged
  }

  #ending(): Garbage['ending'] {
    const number = this.#random()
    return number < 0.8 ? 'end' : number < 0.9 ? 'reset' : 'silence'
  }

  #cut(bytes: Buffer): Buffer[] {
    const pieces: Buffer[] = []
    let rest = bytes
    while (rest.length > 0 && this.#random() < 0.4) {
      const at = 1 + this.#upTo(rest.length)
      pieces.push(rest.subarray(0, at))
      rest = rest.subarray(at)
    }
    return rest.length === 0 ? pieces : [...pieces, rest]
  }

  #upTo(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #bytes(count: number): Buffer {
    const bytes = Buffer.alloc(count)
    for (let at = 0; at < count; at += 1) bytes[at] = this.#upTo(256)
    return bytes
  }

  #oneOf<T>(all: readonly T[]): T {
    return all[this.#upTo(all.length)] as T
  }
}

function uint(bytes: number, value: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  buffer.writeUIntBE(value, 0, bytes)
  return buffer
}

/** A vector behind its length of so many bytes (RFC 8446, 3.4). */
function sized(lengthBytes: number, content: Buffer): Buffer {
  return Buffer.concat([uint(lengthBytes, content.length), content])
}

function extension(type: number, content: Buffer): Buffer {
  return Buffer.concat([uint(2, type), sized(2, content)])
}

function message(type: number, body: Buffer): Buffer {
  return Buffer.concat([uint(1, type), sized(3, body)])
}

function record(type: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 1]), sized(2, content)])
}
