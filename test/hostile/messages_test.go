package hostile_test

import (
	"encoding/binary"
	"math/rand/v2"
	"reflect"

	"nod/fault"
	"nod/wire"
)

// chainSize is the part of a call that names the chain of calls (docs/spec/wire.md).
const chainSize = 32

// wrap is a call as it travels: a chain and one message.
func wrap(chain, body []byte) []byte {
	out := append([]byte{}, chain...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
	return append(out, body...)
}

// unwrap reads what wrap writes.
func unwrap(request []byte) (chain, body []byte, ok bool) {
	if len(request) < chainSize+4 || uint64(binary.BigEndian.Uint32(request[chainSize:])) != uint64(len(request)-chainSize-4) {
		return nil, nil, false
	}
	return request[:chainSize], request[chainSize+4:], true
}

// reply is an answer as it travels: a fault's code, or a message.
func reply(code fault.Code, body []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(code)))
	out = append(out, code...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
	return append(out, body...)
}

// unreply reads what reply writes. Bytes that are no answer are fault.BadEncoding.
func unreply(answer []byte) (fault.Code, []byte) {
	if len(answer) < 8 {
		return fault.BadEncoding, nil
	}
	n := binary.BigEndian.Uint32(answer)
	if uint64(n) > uint64(len(answer)-8) {
		return fault.BadEncoding, nil
	}
	return fault.Code(answer[4 : 4+n]), answer[8+n:]
}

// shape makes the empty messages of a call.
type shape struct{ request, answer func() wire.Message }

func of[Q, A any, PQ interface {
	*Q
	wire.Message
}, PA interface {
	*A
	wire.Message
}]() shape {
	return shape{func() wire.Message { return PQ(new(Q)) }, func() wire.Message { return PA(new(A)) }}
}

// shapes are the messages of every call of every role.
func shapes() map[wire.Method]shape {
	return map[wire.Method]shape{
		wire.MatcherOpen:          of[wire.OpenRequest, wire.OpenAnswer](),
		wire.MatcherVerify:        of[wire.ProbeRequest, wire.VerdictAnswer](),
		wire.MatcherKeys:          of[wire.KeysRequest, wire.KeysAnswer](),
		wire.MatcherEnrol:         of[wire.EnrolRequest, wire.ReceiptAnswer](),
		wire.MatcherOrder:         of[wire.OrderRequest, wire.ReceiptAnswer](),
		wire.MatcherRenew:         of[wire.RenewRequest, wire.RenewAnswer](),
		wire.CustodianKeysMethod:  of[wire.KeysRequest, wire.CustodianKeys](),
		wire.CustodianOpen:        of[wire.SessionOpen, wire.SessionOpened](),
		wire.CustodianStart:       of[wire.CompareStart, wire.CompareStarted](),
		wire.CustodianClose:       of[wire.CompareClose, wire.CompareClosed](),
		wire.CustodianEnrol:       of[wire.EnrolStart, wire.EnrolDelta](),
		wire.CustodianStored:      of[wire.RowStored, wire.RowPromoted](),
		wire.CustodianRenew:       of[wire.RenewStart, wire.RenewDelta](),
		wire.CustodianOrder:       of[wire.OrderRequest, wire.OrderDone](),
		wire.CustodianOpenChannel: of[wire.ChannelOpen, wire.ChannelOpened](),
		wire.CustodianToss:        of[wire.BatchToss, wire.BatchTossed](),
		wire.CustodianReveal:      of[wire.BatchReveal, wire.BatchRevealed](),
		wire.CustodianSacrifice:   of[wire.BatchSacrifice, wire.BatchSacrificed](),
		wire.DealerBatch:          of[wire.BatchRequest, wire.BatchAnswer](),
	}
}

// encode is wire.Marshal, or random bytes for what no encoder would write.
func encode(rng *rand.Rand, m wire.Message) (out []byte) {
	defer func() {
		if recover() != nil {
			out = noise(rng, 1+rng.IntN(200))
		}
	}()
	return wire.Marshal(m)
}

// noise is n random bytes.
func noise(rng *rand.Rand, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rng.Uint32())
	}
	return out
}

// bend changes one field of a message, and says which and how.
func bend(rng *rand.Rand, m wire.Message) string {
	var leaves []leaf
	walk("", reflect.ValueOf(m).Elem(), &leaves)
	if len(leaves) == 0 {
		return "nothing to bend"
	}
	l := leaves[rng.IntN(len(leaves))]
	return l.name + " " + l.bend(rng)
}

// leaf is one number, string of bytes or list of a message.
type leaf struct {
	name  string
	value reflect.Value
}

// walk lists the leaves below v: at most a few of every list, the lists
// themselves included.
func walk(name string, v reflect.Value, out *[]leaf) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				walk(name+"."+f.Name, v.Field(i), out)
			}
		}
	case reflect.Slice:
		*out = append(*out, leaf{name, v})
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range min(v.Len(), 4) {
			walk(name+"[]", v.Index(i), out)
		}
	case reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			*out = append(*out, leaf{name, v})
			return
		}
		for i := range v.Len() {
			walk(name+"[]", v.Index(i), out)
		}
	case reflect.Bool, reflect.Uint8, reflect.Uint32, reflect.Uint64:
		*out = append(*out, leaf{name, v})
	}
}

func (l leaf) bend(rng *rand.Rand) string {
	switch l.value.Kind() {
	case reflect.Bool:
		l.value.SetBool(!l.value.Bool())
		return "turned"
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return l.number(rng)
	case reflect.Array:
		return l.array(rng)
	}
	return l.list(rng)
}

func (l leaf) number(rng *rand.Rand) string {
	v := l.value.Uint()
	top := uint64(1)<<l.value.Type().Bits() - 1
	switch rng.IntN(6) {
	case 0:
		l.value.SetUint(0)
		return "zero"
	case 1:
		l.value.SetUint(top)
		return "maximum"
	case 2:
		l.value.SetUint((v + 1) & top)
		return "one more"
	case 3:
		l.value.SetUint((v - 1) & top)
		return "one less"
	case 4:
		l.value.SetUint(v ^ 1<<rng.IntN(l.value.Type().Bits()))
		return "a bit flipped"
	}
	l.value.SetUint(rng.Uint64() & top)
	return "random"
}

func (l leaf) array(rng *rand.Rand) string {
	n := l.value.Len()
	fill := func(of func(i int) byte) {
		for i := range n {
			l.value.Index(i).SetUint(uint64(of(i)))
		}
	}
	switch rng.IntN(3) {
	case 0:
		fill(func(int) byte { return 0 })
		return "zero"
	case 1:
		fill(func(int) byte { return byte(rng.Uint32()) })
		return "random"
	}
	b := l.value.Index(rng.IntN(n))
	b.SetUint(b.Uint() ^ 1<<rng.IntN(8))
	return "a bit flipped"
}

func (l leaf) list(rng *rand.Rand) string {
	v := l.value
	n := v.Len()
	switch kind := rng.IntN(5); {
	case kind == 0 || n == 0 && kind < 4:
		grown := reflect.MakeSlice(v.Type(), n+1, n+1)
		reflect.Copy(grown, v)
		if n > 0 {
			grown.Index(n).Set(v.Index(n - 1))
		}
		v.Set(grown)
		return "one longer"
	case kind == 1:
		v.Set(v.Slice(0, n-1))
		return "one shorter"
	case kind == 2 && n > 1:
		i, j := rng.IntN(n), rng.IntN(n)
		reflect.Swapper(v.Interface())(i, j)
		return "two swapped"
	case kind == 3:
		var inside []leaf
		walk("", v.Index(rng.IntN(n)), &inside)
		if len(inside) > 0 {
			return "an element " + inside[rng.IntN(len(inside))].bend(rng)
		}
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	return "empty"
}
