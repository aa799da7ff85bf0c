//go:build race

package seal

// stride is how many bytes flips goes on: the race detector makes signatures
// slow, and has nothing to find in them.
const stride = 11
