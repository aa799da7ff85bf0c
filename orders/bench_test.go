package orders

import "testing"

func BenchmarkVerifyRequest(b *testing.B) {
	for _, algorithm := range []string{"ES256", "EdDSA"} {
		b.Run(algorithm, func(b *testing.B) {
			w := newWorld(b)
			w.rp = newKey(b, algorithm)
			request := w.signedRequest(b, w.request(b))
			for b.Loop() {
				if _, err := VerifyRequest(request, w.parties, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyAnswer(b *testing.B) {
	w := newWorld(b)
	request := w.signedRequest(b, w.request(b))
	answer := w.signedAnswer(b, w.answer(b, request))
	for b.Loop() {
		if _, err := VerifyAnswer(answer, request, w.bundle, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyVerdict(b *testing.B) {
	w := newWorld(b)
	request := w.signedRequest(b, w.request(b))
	verdict := w.signedVerdict(b, w.verdict(request, true))
	for b.Loop() {
		if _, err := VerifyVerdict(request, verdict, w.bundle, now, expected()); err != nil {
			b.Fatal(err)
		}
	}
}
