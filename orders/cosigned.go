package orders

import (
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
)

// maxSigned is the most bytes of an answer or statement before it is signed.
const maxSigned = 8 << 10

// servers are the two roles that sign together, in the order of every encoding.
func servers() [2]seal.Role { return [2]seal.Role{seal.Matcher, seal.Custodian} }

// cosigned is an answer with both servers' signatures.
type cosigned struct {
	body       []byte
	signatures [2]seal.Signature // the matcher's, the custodian's
}

func (c *cosigned) encode() []byte {
	return canon.Encode("signed-answer", c.body, c.signatures[0].Cert, c.signatures[0].Value, c.signatures[1].Cert, c.signatures[1].Value)
}

func parseCosigned(data []byte) (*cosigned, error) {
	r := canon.NewReader("signed-answer", data)
	c := &cosigned{body: r.Bytes(0, maxSigned)}
	for i := range c.signatures {
		c.signatures[i] = seal.Signature{Cert: r.Bytes(0, seal.MaxCert), Value: r.Bytes(0, 64)}
	}
	return c, r.Close()
}

// verify checks both signatures, each by its own role, at a time.
func (c *cosigned) verify(bundle *seal.Bundle, at time.Time) error {
	for i, role := range servers() {
		if err := verifyOne(bundle, role, c.body, c.signatures[i], at); err != nil {
			return err
		}
	}
	return nil
}

// verifyOne checks one server's signature. A signature that is missing, or is by
// the wrong role, is fault.NotCosigned.
func verifyOne(bundle *seal.Bundle, role seal.Role, body []byte, s seal.Signature, at time.Time) error {
	if len(s.Cert) == 0 || len(s.Value) == 0 {
		return fault.New(fault.NotCosigned, "no signature by the %s", role)
	}
	if cert, err := seal.ParseCert(s.Cert); err != nil {
		return err
	} else if cert.Role != role {
		return fault.New(fault.NotCosigned, "a signature by the %s in the place of the %s's", cert.Role, role)
	}
	return bundle.Verify(role, body, s, at)
}
