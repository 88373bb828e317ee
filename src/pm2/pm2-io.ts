// Not "@pm2/io" itself, which registers figures and actions of its own as it is loaded. pm2 keeps them
// permanently: the figures before ours, and the actions although nothing would answer them.
export { default as pmx } from '@pm2/io/build/main/pmx.js'
