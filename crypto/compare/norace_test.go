//go:build !race

package compare

// flipBits is the length of the codes whose every byte is flipped.
const flipBits = 1024
