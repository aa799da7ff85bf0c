package calibrate

import (
	"math/bits"

	"nod/crypto/code"
)

// A byte table holds, for each byte of a code and each of its 256 values, the sum
// of the weights of its set bits: a distance is then one look-up a byte.

// byteTable is the table of weights w, padded with zeros to whole words.
func byteTable(w []float64) []float32 {
	table := make([]float32, (len(w)+63)/64*8*256)
	for at := range table {
		value := at % 256
		if value == 0 {
			continue
		}
		if j := at/256*8 + bits.TrailingZeros(uint(value)); j < len(w) {
			table[at] = float32(w[j])
		}
		table[at] += table[at&^255|value&(value-1)]
	}
	return table
}

// tableDistance is the sum of weights over the bits in which a and b differ.
func tableDistance(table []float32, a, b code.Code) float32 {
	var even, odd float32
	for i, w := range a {
		w ^= b[i]
		t := table[i*2048:][:2048]
		even += t[w&255] + t[512+w>>16&255] + t[1024+w>>32&255] + t[1536+w>>48&255]
		odd += t[256+w>>8&255] + t[768+w>>24&255] + t[1280+w>>40&255] + t[1792+w>>56]
	}
	return even + odd
}

// addPair adds v to the sum of each byte of a xor b.
func addPair(sums []float32, a, b code.Code, v float32) {
	for i, w := range a {
		w ^= b[i]
		t := sums[i*2048:][:2048]
		t[w&255] += v
		t[256+w>>8&255] += v
		t[512+w>>16&255] += v
		t[768+w>>24&255] += v
		t[1024+w>>32&255] += v
		t[1280+w>>40&255] += v
		t[1536+w>>48&255] += v
		t[1792+w>>56] += v
	}
}

// addBytes adds the sums of bytes to the sums of their bits.
func addBytes(byBit []float64, sums []float32) {
	for at, v := range sums {
		if v == 0 {
			continue
		}
		for value := at % 256; value != 0; value &= value - 1 {
			if j := at/256*8 + bits.TrailingZeros(uint(value)); j < len(byBit) {
				byBit[j] += float64(v)
			}
		}
	}
}
