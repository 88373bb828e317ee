export { Counter, Gauge, type Metric, Registry } from 'prom-client'
