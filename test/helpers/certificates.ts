import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cleanup } from './cleanup.ts'

/** The files of a certificate and its key, in PEM, and their contents. */
export class Certificate {
  readonly cert: string
  readonly key: string

  constructor(folder: string, name: string) {
    this.cert = join(folder, `${name}.crt`)
    this.key = join(folder, `${name}.key`)
  }

  /** What Node's `tls` takes. */
  get pem(): { cert: string; key: string } {
    return { cert: readFileSync(this.cert, 'utf8'), key: readFileSync(this.key, 'utf8') }
  }
}

/** Extensions of a certificate, as in openssl's configuration. */
const namesOf = (names: readonly string[]) => `subjectAltName=${names.join(',')}\n`

/** An authority that exists for one test, and signs its certificates. */
export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hs-tls-'))
  readonly #own: Certificate

  constructor(t: Cleanup, name = 'Test authority') {
    t.after(() => rmSync(this.#folder, { recursive: true, force: true }))
    this.#own = new Certificate(this.#folder, 'authority')
    const files = ['-keyout', this.#own.key, '-out', this.#own.cert]
    this.#openssl('req', '-x509', ...newKey, ...files, '-subj', `/CN=${name}`, '-days', '2')
  }

  /** The folder of all its files. */
  get folder(): string {
    return this.#folder
  }

  /** The file of its certificate, by which others are checked. */
  get ca(): string {
    return this.#own.cert
  }

  /**
   * Signs a new certificate with a new key.
   *
   * @param name - of its files, and the subject's common name
   * @param days - how long it is valid from now on; it has expired with a negative number
   */
  sign(name: string, alternatives: readonly string[] = [], days = 2): Certificate {
    const signed = new Certificate(this.#folder, name)
    const request = join(this.#folder, `${name}.csr`)
    const extensions = join(this.#folder, `${name}.ext`)
    const asked = ['-keyout', signed.key, '-out', request, '-subj', `/CN=${name}`]
    this.#openssl('req', ...newKey, ...asked)
    writeFileSync(extensions, alternatives.length === 0 ? '' : namesOf(alternatives))
    const signing = ['-CA', this.#own.cert, '-CAkey', this.#own.key, '-CAcreateserial']
    const files = ['-in', request, '-out', signed.cert, '-extfile', extensions]
    this.#openssl('x509', '-req', ...signing, ...files, '-days', String(days))
    return signed
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' })
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
