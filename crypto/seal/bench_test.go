package seal

import "testing"

// A share of 2,048 bits, as it is sealed to the matcher.
func BenchmarkSeal(b *testing.B) {
	key := recipientKey(b, newRecipients(b, Matcher), now)
	plain := make([]byte, 256)
	for b.Loop() {
		if _, err := Seal(key, testContext(), plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	r := newRecipients(b, Matcher)
	sealed, err := Seal(recipientKey(b, r, now), testContext(), make([]byte, 256))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := r.Open(testContext(), sealed, 256, now); err != nil {
			b.Fatal(err)
		}
	}
}
