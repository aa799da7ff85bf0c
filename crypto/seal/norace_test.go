//go:build !race

package seal

// stride is how many bytes flips goes on.
const stride = 1
