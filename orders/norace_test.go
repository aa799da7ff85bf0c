//go:build !race

package orders

// stride is how many bytes flips goes on.
const stride = 1
