import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { availableCpus, cpuQuota } from '../../../src/config/cpus.ts'
import { tempFolder } from '../support/temp-folder.ts'

const unified = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n'
const others = '23 1 0:21 / / rw - ext4 /dev/vda rw\n'

/** A system with these files. */
function host(t: TestContext, files: Readonly<Record<string, string>>): string {
  const root = tempFolder(t)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

const v2 = (group: string, limits: Readonly<Record<string, string>>, mounts = unified) => ({
  'proc/self/cgroup': `0::${group}\n`,
  'proc/self/mountinfo': `${others}${mounts}`,
  ...limits,
})

const v1 = (quota: string, folder = 'sys/fs/cgroup/cpu,cpuacct/docker/ab') => ({
  'proc/self/cgroup': '5:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n0::/\n',
  'proc/self/mountinfo': `${others}31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n`,
  [`${folder}/cpu.cfs_quota_us`]: `${quota}\n`,
  [`${folder}/cpu.cfs_period_us`]: '100000\n',
})

for (const [what, files, quota] of [
  ['no quota', v2('/a', { 'sys/fs/cgroup/a/cpu.max': 'max 100000\n' }), Infinity],
  ['a quota of its own', v2('/a', { 'sys/fs/cgroup/a/cpu.max': '150000 100000\n' }), 1.5],
  [
    'a smaller one above',
    v2('/a/b/c', {
      'sys/fs/cgroup/a/cpu.max': '200000 100000\n',
      'sys/fs/cgroup/a/b/c/cpu.max': '400000 100000\n',
    }),
    2,
  ],
  ['a namespace of control groups', v2('/', { 'sys/fs/cgroup/cpu.max': '50000 100000\n' }), 0.5],
  [
    'a mount of its group alone',
    v2(
      '/docker/ab/c',
      { 'sys/fs/cgroup/c/cpu.max': '300000 100000\n' },
      '30 23 0:26 /docker/ab /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
    ),
    3,
  ],
  ['a group outside of the mount', v2('/../x', { 'sys/fs/cgroup/cpu.max': 'max 1\n' }), Infinity],
  [
    'a blank in a path',
    v2(
      '/',
      { 'my groups/cpu.max': '700000 100000\n' },
      '30 23 0:26 / /my\\040groups rw - cgroup2 c rw\n',
    ),
    7,
  ],
  ['nonsense', v2('/', { 'sys/fs/cgroup/cpu.max': 'what?\n' }), Infinity],
  ['version 1', v1('250000'), 2.5],
  ['version 1 without a quota', v1('-1'), Infinity],
  ['version 1 with one above', v1('100000', 'sys/fs/cgroup/cpu,cpuacct/docker'), 1],
  ['no control groups at all', {}, Infinity],
] as const) {
  test(`the quota of processors: ${what}`, (t) => {
    assert.equal(cpuQuota(host(t, files)), quota)
  })
}

test('part of a processor counts as one, and there are no more than the system has', (t) => {
  const cpus = (quota: string) =>
    availableCpus(host(t, v2('/', { 'sys/fs/cgroup/cpu.max': `${quota} 100000\n` })), 4)
  assert.deepEqual(['1000', '100000', '150000', '900000', 'max'].map(cpus), [1, 1, 2, 4, 4])
})
