package orders

import (
	"crypto/sha256"
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
)

// Limits of an enrolment.
const (
	EnrolmentWindow = 15 * time.Minute // longest time from IssuedAt to Expiry
	maxSlot         = 255
	// maxOrderBytes is the most bytes of a signed enrolment.
	maxOrderBytes = 1024
)

// Enrolment is a station's order to store a template. The station signs it with
// the bureau's station key, together with the hashes of both sealed halves.
type Enrolment struct {
	Station  string
	Citizen  Citizen
	Slot     uint8
	Model    canon.ModelID
	JTI      string
	IssuedAt time.Time // whole milliseconds: orders for a citizen follow each other
	Expiry   time.Time // whole seconds
}

// RowID names the template: SHA-256(canonical(station, citizen, slot, model,
// jti, expiry)). It is the enrolment's q too.
func (e *Enrolment) RowID() canon.RowID {
	return canon.RowID(canon.Sum("enrolment", e.fields()...))
}

func (e *Enrolment) fields() [][]byte {
	return [][]byte{[]byte(e.Station), []byte(e.Citizen.Reveal()), canon.Uint64(uint64(e.Slot)), e.Model[:], []byte(e.JTI),
		canon.Time(e.Expiry)}
}

// Context is what the halves of the template are sealed under.
func (e *Enrolment) Context() seal.Context {
	row := e.RowID()
	return seal.Context{
		Kind:    seal.Enrolment,
		Request: canon.RequestHash(row),
		Place:   row,
		Party:   e.Station,
		Model:   e.Model,
		Expiry:  e.Expiry,
	}
}

// signed is what the station signs: q's fields, the time, and both halves.
func (e *Enrolment) signed(sealed0, sealed1 []byte) []byte {
	hash0, hash1 := sha256.Sum256(sealed0), sha256.Sum256(sealed1)
	return canon.Encode("enrolment-signature", append(e.fields(), canon.Uint64(uint64(e.IssuedAt.UnixMilli())), hash0[:], hash1[:])...)
}

// SignEnrolment is the order as it travels beside its two sealed halves.
func SignEnrolment(key *PrivateKey, e *Enrolment, sealed0, sealed1 []byte) ([]byte, error) {
	body := e.signed(sealed0, sealed1)
	signature, err := key.sign(body)
	if err != nil {
		return nil, err
	}
	order := canon.Encode("enrolment-order", body, []byte(key.public.ID()), signature)
	_, err = parseEnrolment(order) // what a server would refuse is not sent
	return order, err
}

// signedEnrolment is an order that was only parsed.
type signedEnrolment struct {
	Enrolment
	hashes    [2]canon.Digest
	body      []byte
	kid       string
	signature []byte
}

func parseEnrolment(order []byte) (*signedEnrolment, error) {
	if len(order) > maxOrderBytes {
		return nil, fault.New(fault.Oversize, "enrolment of %d bytes, at most %d", len(order), maxOrderBytes)
	}
	outer := canon.NewReader("enrolment-order", order)
	s := &signedEnrolment{body: outer.Bytes(0, maxOrderBytes), kid: outer.Text(0, 64), signature: outer.Bytes(0, 64)}
	if err := outer.Close(); err != nil {
		return nil, err
	}
	r := canon.NewReader("enrolment-signature", s.body)
	s.Station = r.Text(0, maxParty)
	reference := r.Text(0, MaxCitizen)
	s.Slot = uint8(r.Uint(maxSlot))
	r.Fixed(s.Model[:])
	s.JTI = r.Text(0, maxJTI)
	s.Expiry = r.Time()
	s.IssuedAt = time.UnixMilli(int64(r.Uint(1<<53 - 1))).UTC()
	r.Fixed(s.hashes[0][:])
	r.Fixed(s.hashes[1][:])
	if err := r.Close(); err != nil {
		return nil, err
	}
	s.Citizen = Citizen{&reference}
	for _, check := range []error{
		checkText("station", s.Station, 1, maxParty),
		checkText("citizen reference", reference, 1, MaxCitizen),
		checkText("jti", s.JTI, minJTI, maxJTI),
	} {
		if check != nil {
			return nil, check
		}
	}
	return s, nil
}

// Stations looks up the keys of a station by its id. It comes from the server's
// own operator.
type Stations func(station string) ([]*PublicKey, bool)

// VerifyEnrolment is a server's check of an enrolment: its form, its signature
// by a key that the server's own operator registered for its station, its times,
// and that these are the SHA-256 of the halves it was signed with. Faults: those of the
// encoding, UnknownParty, UnknownKey, BadSignature, OutOfRange, NotYetValid,
// Expired.
func VerifyEnrolment(order []byte, hash0, hash1 canon.Digest, stations Stations, now time.Time) (*Enrolment, error) {
	s, err := parseEnrolment(order)
	if err != nil {
		return nil, err
	}
	keys, ok := stations(s.Station)
	if !ok {
		return nil, fault.New(fault.UnknownParty, "no station %q", s.Station)
	}
	key := find(keys, s.kid)
	if key == nil {
		return nil, fault.New(fault.UnknownKey, "enrolment: not by a key of station %q", s.Station)
	}
	if err := key.verify(s.body, s.signature); err != nil {
		return nil, err
	}
	if hash0 != s.hashes[0] || hash1 != s.hashes[1] {
		return nil, fault.New(fault.BadSignature, "enrolment: the station signed other halves")
	}
	if err := checkTimes("enrolment", s.IssuedAt, s.Expiry, now, EnrolmentWindow); err != nil {
		return nil, err
	}
	return &s.Enrolment, nil
}
