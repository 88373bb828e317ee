import { type Environment, variables } from '../config/environment.ts'
import { isNativeWanted } from '../config/native-wish.ts'
import { loadNative, type NativeModule } from './native.ts'

/** The way from the queue to the workers. */
export interface HandOffChoice {
  /** The module for the native way; undefined for the portable one. */
  readonly native: NativeModule | undefined
  /** In words. */
  readonly reason: string
}

/** The native way wherever it works, unless `HELLOSERVER_NATIVE` is off; else the portable one. */
export function chooseHandOff(environment: Environment): HandOffChoice {
  if (!isNativeWanted(environment)) {
    return { native: undefined, reason: `${variables.native} is "off"` }
  }
  const { module, reason } = loadNative()
  return { native: module, reason }
}
