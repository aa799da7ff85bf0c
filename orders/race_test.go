//go:build race

package orders

// stride is how many bytes flips goes on: the race detector makes signatures
// slow, and has nothing to find in them.
const stride = 11
