package orders

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"nod/crypto/canon"
	"nod/fault"
)

// OrderType is the typ of an order.
const OrderType = "nod-order+jwt"

// OrderWindow is the longest time from an order's iat to its exp: for so long
// it may be delivered again, until both servers have applied it.
const OrderWindow = 7 * 24 * time.Hour

// OrderKind is what an order asks for.
type OrderKind string

// The kinds.
const (
	Erase  OrderKind = "erase"  // delete every template of the citizen
	Lock   OrderKind = "lock"   // no verification until unlocked
	Unlock OrderKind = "unlock" // undo a lock
	Lift   OrderKind = "lift"   // give a spent budget back
)

// Order is the bureau's word about a citizen: the claims of a compact JWS that
// it signed. Each server verifies and applies it once, by its hash.
type Order struct {
	Kind     OrderKind
	Citizen  Citizen
	JTI      string
	IssuedAt time.Time // whole milliseconds: orders for a citizen follow each other
	Expiry   time.Time // whole seconds

	hash canon.OrderHash
}

// Hash is SHA-256 of the exact bytes that the order was read from.
func (o *Order) Hash() canon.OrderHash { return o.hash }

// HashOrder is the name of a compact order.
func HashOrder(compact []byte) canon.OrderHash { return sha256.Sum256(compact) }

// Follows checks that something ordered at issued is newer than the newest that
// was applied to the citizen. Otherwise whoever holds an order back could have it
// applied after one that was to undo it. Faults: StaleOrder.
func Follows(issued, newest time.Time) error {
	if !issued.After(newest) {
		return fault.New(fault.StaleOrder, "ordered at %s, and something newer was applied", issued.UTC().Format(time.RFC3339Nano))
	}
	return nil
}

// orderClaims are the claims in the order in which SignOrder writes them.
type orderClaims struct {
	Order   OrderKind   `json:"order"`
	Citizen string      `json:"citizen"`
	JTI     string      `json:"jti"`
	Iat     json.Number `json:"iat"` // with three decimals
	Exp     int64       `json:"exp"`
}

// SignOrder is the compact JWS of o, signed by a bureau's key.
func SignOrder(key *PrivateKey, o *Order) ([]byte, error) {
	ms := o.IssuedAt.UnixMilli()
	payload, err := json.Marshal(orderClaims{
		Order:   o.Kind,
		Citizen: o.Citizen.Reveal(),
		JTI:     o.JTI,
		Iat:     json.Number(fmt.Sprintf("%d.%03d", ms/1000, ms%1000)),
		Exp:     o.Expiry.Unix(),
	})
	if err != nil {
		return nil, fault.New(fault.BadEncoding, "order: %w", err)
	}
	defer clear(payload)
	compact, err := signCompact(key, OrderType, payload)
	if err != nil {
		return nil, err
	}
	_, _, _, err = parseOrder(compact) // what a server would refuse is not sent
	return compact, err
}

func parseOrder(compact []byte) (*Order, *token, *object, error) {
	t, err := parseCompact("order", compact)
	if err != nil {
		return nil, nil, nil, err
	}
	header, err := t.parseHeader(OrderType)
	if err != nil {
		return nil, nil, nil, err
	}
	c := parseObject("order", t.payload, "order", "citizen", "jti", "iat", "exp")
	o := &Order{
		Kind:     OrderKind(c.text("order", 1, 16)),
		JTI:      c.text("jti", minJTI, maxJTI),
		IssuedAt: c.milliseconds("iat"),
		Expiry:   c.seconds("exp"),
		hash:     HashOrder(compact),
	}
	reference := c.text("citizen", 1, MaxCitizen)
	if c.err != nil {
		return nil, nil, nil, c.err
	}
	o.Citizen = Citizen{&reference}
	switch o.Kind {
	case Erase, Lock, Unlock, Lift:
		return o, t, header, nil
	}
	return nil, nil, nil, fault.New(fault.OutOfRange, "order: none of erase, lock, unlock, lift")
}

// VerifyOrder is a server's check of an order: its form, its signature by one of
// the bureau's keys, which come from the server's own operator, and its times.
// Faults: as VerifyRequest, less the party's.
func VerifyOrder(compact []byte, bureau []*PublicKey, now time.Time) (*Order, error) {
	o, t, header, err := parseOrder(compact)
	if err != nil {
		return nil, err
	}
	if err := t.verifyByOneOf(header, bureau, "bureau"); err != nil {
		return nil, err
	}
	if err := checkTimes("order", o.IssuedAt, o.Expiry, now, OrderWindow); err != nil {
		return nil, err
	}
	return o, nil
}
