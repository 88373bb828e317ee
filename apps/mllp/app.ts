import { resolve } from 'node:path'
import {
  type Connection,
  type Context,
  defineApp,
  HelloserverError,
  LineTooLongError,
} from 'helloserver'
import { acknowledgement, type Code } from './acknowledgement.ts'
import { faultOf, type Header, headerOf, unknownHeader } from './header.ts'
import { folderSetting, numberSetting } from './settings.ts'
import { MessageStore, type Stored } from './store.ts'

/** A frame is a message between these (MLLP, HL7 2.5.1 appendix C). */
const startOfFrame = 0x0b
const endOfFrame = Buffer.from([0x1c, 0x0d])

/** How a message is answered, with the reason if it was not accepted. */
interface Verdict {
  readonly code: Code
  readonly reason?: string
}

const verdicts: Readonly<Record<Stored, Verdict>> = {
  new: { code: 'AA' },
  duplicate: { code: 'AA' },
  conflict: { code: 'AE', reason: 'Another message with this id was received before' },
  full: { code: 'AR', reason: 'Too many messages wait to be processed' },
}

let store: MessageStore
let maxBytes: number

/**
 * An HL7 v2 gateway: each message in an MLLP frame becomes a file, and is acknowledged when it is on disk. A sender that
 * gets no acknowledgement sends the message again, and a message that comes again is acknowledged and not stored again.
 */
export default defineApp({
  async setup({ directory, settings }) {
    maxBytes = numberSetting(settings, 'maxMessageBytes', 1_048_576, 64, 67_108_864)
    const maxFiles = numberSetting(settings, 'maxFiles', 100_000, 1, 10_000_000)
    store = new MessageStore(resolve(directory, folderSetting(settings['folder'])), maxFiles)
    await store.open()
  },

  async handle(connection, context) {
    for (let count = 1; ; count += 1) {
      const frame = await nextFrame(connection)
      if (frame === null) return
      const id = `${connection.id}-${count}`
      const header = headerOf(frame) ?? unknownHeader
      const { code, reason } = await judge(header, frame, context)
      await answer(connection, acknowledgement(header, code, id, reason))
    }
  },
})

/** The message in the next frame; null when the sender has nothing more to say. */
async function nextFrame(connection: Connection): Promise<Buffer | null> {
  const first = await connection.peek(1).catch(endOfSilence)
  if (first === null) return null
  if (first[0] !== startOfFrame) {
    throw new Error(`A frame begins with byte ${first[0]} instead of ${startOfFrame}`)
  }
  const frame = await readFrame(connection)
  return frame === null ? null : frame.subarray(1, -endOfFrame.length)
}

/** A frame that is too long is refused before its connection ends: what follows it cannot be told apart from it. */
async function readFrame(connection: Connection): Promise<Buffer | null> {
  try {
    return await connection.readUntil(endOfFrame, { maxBytes: maxBytes + 1 + endOfFrame.length })
  } catch (error) {
    if (!(error instanceof LineTooLongError)) throw error
    const begun = await connection.read()
    const header = headerOf(begun?.subarray(1) ?? Buffer.alloc(0)) ?? unknownHeader
    const reason = `The message has more than ${maxBytes} bytes`
    await answer(connection, acknowledgement(header, 'AE', `${connection.id}-0`, reason))
    return null
  }
}

function answer(connection: Connection, message: Buffer): Promise<void> {
  return connection.write([Buffer.from([startOfFrame]), message, endOfFrame])
}

/** A sender that keeps its connection for later has done nothing wrong. */
function endOfSilence(error: unknown): null {
  if (error instanceof HelloserverError && error.code === 'READ_TIMEOUT') return null
  throw error
}

async function judge(header: Header, message: Buffer, { log }: Context): Promise<Verdict> {
  if (header === unknownHeader) return { code: 'AR', reason: 'The message has no MSH segment' }
  const fault = faultOf(header)
  if (fault !== undefined) return { code: 'AE', reason: fault }
  try {
    return verdicts[await store.put(header, message)]
  } catch (error) {
    log.error({ error }, 'Cannot store a message; its sender is to send it again')
    return { code: 'AR', reason: 'The message cannot be stored now' }
  }
}
