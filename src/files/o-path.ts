/** Stands for a file without opening it, as a socket's cannot be (open(2)); Node.js does not name it. */
export const O_PATH = 0o10_000_000
