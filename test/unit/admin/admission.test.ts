import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admission } from '../../../src/admin/admission.ts'
import { mockClock } from '../support/clock.ts'
