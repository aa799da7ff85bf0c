package orders

// MaxCitizen is the most characters that a citizen's reference has.
const MaxCitizen = 128

// Citizen is a citizen's reference, such as the number of an identity card. It
// is personal data: it prints only its kind, however it is nested, and does not
// marshal. The zero value is no citizen.
type Citizen struct {
	// A pointer, so that printing a struct around it shows at most an address.
	reference *string
}

// NewCitizen holds a reference: 1 to MaxCitizen printable ASCII characters
// without space. Faults: Truncated, Oversize, BadEncoding.
func NewCitizen(reference string) (Citizen, error) {
	if err := checkText("citizen reference", reference, 1, MaxCitizen); err != nil {
		return Citizen{}, err
	}
	return Citizen{&reference}, nil
}

// Reveal is the reference itself: to sign, or to compute a handle from. It is
// never logged and never stored.
func (c Citizen) Reveal() string {
	if c.reference == nil {
		return ""
	}
	return *c.reference
}

// Equal reports whether both name the same citizen.
func (c Citizen) Equal(o Citizen) bool { return c.Reveal() == o.Reveal() }

// String hides the reference.
func (Citizen) String() string { return "orders.Citizen(personal)" }

// GoString hides the reference.
func (Citizen) GoString() string { return "orders.Citizen(personal)" }
