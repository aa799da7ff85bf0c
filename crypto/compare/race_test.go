//go:build race

package compare

// flipBits is the length of the codes whose every byte is flipped: a tenth of the
// ordinary run's work, which the race detector makes ten times slower.
const flipBits = 128
