package admin

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// Erasures has both servers erase citizens. It is the bureau's. Every order is signed
// and in the state file before any is delivered, and is delivered, the same each time,
// until both servers have signed for it or it expired; only then a new one is signed.
type Erasures struct {
	Matcher  wire.Matcher
	Bureau   *orders.PrivateKey
	Bundle   *seal.Bundle
	State    string // path of the state file
	Receipts string // folder of the receipts, made if it is not there
	Now      func() time.Time
	Step     func(done, total int) // told after each order; nil: nobody
}

// MaxErasures is the most orders of one state file.
const MaxErasures = 100_000

// Erased says what became of the orders.
type Erased struct {
	Erased    int                `json:"erased"`         // citizens of whom something was removed
	Nothing   int                `json:"nothing_stored"` // citizens of whom nothing was stored
	Templates int                `json:"templates"`      // that the matcher removed
	Salts     int                `json:"salts"`          // that the custodian removed
	Failed    map[fault.Code]int `json:"failed"`         // orders that were delivered in vain, by fault
	Left      int                `json:"left"`           // orders in the state file, to be delivered again
}

const erasuresFormat = "nod/erasures/v1"

// erasures is the state file: the orders that not both servers have signed for.
type erasures struct {
	Format string       `json:"format"`
	Bundle canon.Digest `json:"bundle"`
	Orders []erasure    `json:"orders"`
}

// erasure is one order.
type erasure struct {
	Citizen string `json:"citizen"`
	Order   string `json:"order"` // compact JWS
}

// window is how long an order may be delivered.
const window = orders.OrderWindow

// patience is how many orders in a row may find the servers away before the rest is
// left for later.
const patience = 3

// saving is how often the state file is written. An order that is delivered again after
// a crash is answered as the first time.
const saving = time.Second

// Unfinished is how many orders of an earlier run wait in the state file.
func (e *Erasures) Unfinished() (int, error) {
	s, err := e.load()
	return len(s.Orders), err
}

func (e *Erasures) load() (erasures, error) {
	var s erasures
	found, err := read(e.State, &s)
	switch {
	case err != nil:
		return erasures{}, err
	case !found:
		return erasures{Format: erasuresFormat, Bundle: e.Bundle.Digest()}, nil
	case s.Format != erasuresFormat:
		return erasures{}, fault.New(fault.BadEncoding, "%s is no state of erasures", e.State)
	case s.Bundle != e.Bundle.Digest():
		return erasures{}, fault.New(fault.Conflict, "%s is of another deployment, or of an earlier trust bundle; its orders are not delivered here: move it away", e.State)
	}
	return s, nil
}

// Run erases the citizens, and delivers again what an earlier run left. A citizen who
// is named twice, or left over from an earlier run, gets one order. An error other than
// an interruption means that nothing more was delivered; orders that failed are counted
// and are no error.
func (e *Erasures) Run(ctx context.Context, citizens []orders.Citizen) (*Erased, error) {
	out := &Erased{Failed: map[fault.Code]int{}}
	lock, err := hold(e.State)
	if err != nil {
		return out, err
	}
	defer lock.Close()
	s, err := e.load()
	if err != nil {
		return out, err
	}
	if err := e.sign(&s, citizens); err != nil {
		return out, err
	}
	if out.Left = len(s.Orders); out.Left == 0 {
		return out, nil
	}
	if err := write(e.State, &s); err != nil {
		return out, err
	}
	if err := privateFolder(e.Receipts); err != nil {
		return out, err
	}
	err = e.deliver(ctx, &s, out)
	out.Left = len(s.Orders)
	return out, err
}

// sign completes the state: an order for each citizen, and a new one in the place of
// each that expired.
func (e *Erasures) sign(s *erasures, citizens []orders.Citizen) error {
	known := map[string]bool{}
	for i := range s.Orders {
		if err := e.refresh(&s.Orders[i]); err != nil {
			return err
		}
		known[s.Orders[i].Citizen] = true
	}
	for _, c := range citizens {
		if known[c.Reveal()] {
			continue
		}
		known[c.Reveal()] = true
		if len(s.Orders) == MaxErasures {
			return fault.New(fault.Oversize, "more than %d orders at once", MaxErasures)
		}
		order, err := e.order(c)
		if err != nil {
			return err
		}
		s.Orders = append(s.Orders, erasure{Citizen: c.Reveal(), Order: order})
	}
	return nil
}

// refresh holds an order of the state file to what it must be, and signs a new one if
// it expired.
func (e *Erasures) refresh(old *erasure) error {
	c, err := orders.NewCitizen(old.Citizen)
	if err != nil {
		return fault.Within(err, "state %s", e.State)
	}
	o, err := orders.VerifyOrder([]byte(old.Order), []*orders.PublicKey{e.Bureau.Public()}, e.Now())
	switch {
	case fault.Is(err, fault.Expired):
		old.Order, err = e.order(c)
		return err
	case err != nil:
		return fault.Within(err, "state %s", e.State)
	case o.Kind != orders.Erase || !o.Citizen.Equal(c):
		return fault.New(fault.Conflict, "state %s: an order for something else", e.State)
	}
	return nil
}

func (e *Erasures) order(c orders.Citizen) (string, error) {
	now := e.Now()
	order, err := orders.SignOrder(e.Bureau, &orders.Order{
		Kind: orders.Erase, Citizen: c, JTI: rand.Text(),
		IssuedAt: now.Truncate(time.Millisecond), Expiry: now.Add(window).Truncate(time.Second),
	})
	return string(order), err
}

// deliver delivers the state's orders. Those that both servers signed for, and those
// that can never be applied, leave it.
func (e *Erasures) deliver(ctx context.Context, s *erasures, out *Erased) error {
	all, next := s.Orders, 0
	var keep []erasure // delivered in vain
	saved, away := e.Now(), 0
	for ; next < len(all) && away < patience && ctx.Err() == nil; next++ {
		if e.Now().Sub(saved) >= saving {
			saved = e.Now()
			if err := write(e.State, &erasures{s.Format, s.Bundle, slices.Concat(keep, all[next:])}); err != nil {
				return err
			}
		}
		err := e.one(ctx, all[next], out)
		if err != nil && ctx.Err() != nil {
			break // it may have been carried out, and is delivered again
		}
		away++
		code := fault.CodeOf(err)
		if code.Class() != fault.Unavailable {
			away = 0
		}
		if err != nil {
			out.Failed[code]++
		}
		// Something newer was ordered of a citizen: a stale order can never be applied.
		if err != nil && code != fault.StaleOrder {
			keep = append(keep, all[next])
		}
		if e.Step != nil {
			e.Step(next+1, len(all))
		}
	}
	s.Orders = slices.Concat(keep, all[next:])
	return e.end(ctx, s)
}

// end leaves the state file as it must be for the next run.
func (e *Erasures) end(ctx context.Context, s *erasures) error {
	if len(s.Orders) == 0 {
		return remove(e.State)
	}
	if err := write(e.State, s); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fault.New(fault.Cancelled, "%w; %d orders are left in %s, and nod erase without citizens goes on with them", context.Cause(ctx), len(s.Orders), e.State)
	}
	return nil
}

// one delivers one order, and keeps its receipt.
func (e *Erasures) one(ctx context.Context, o erasure, out *Erased) error {
	order := []byte(o.Order)
	done, err := e.Matcher.Order(ctx, &wire.OrderRequest{Order: order})
	if err != nil {
		return err
	}
	statements, err := orders.VerifyReceipt(done.Receipt, e.Bundle, orders.Erased, orders.HashOrder(order))
	if err != nil {
		return err
	}
	if err := keepReceipt(e.Receipts, order, done.Receipt); err != nil {
		return err
	}
	templates, salts := len(statements[0].Removed), len(statements[1].Removed)
	out.Templates += templates
	out.Salts += salts
	if templates+salts == 0 {
		out.Nothing++
	} else {
		out.Erased++
	}
	return nil
}
