export { Cluster, Redis } from 'ioredis'
