package wire

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"nod/crypto/code"
	"nod/fault"
)

// messages makes an empty one of every type that travels.
var messages = []func() Message{
	func() Message { return new(envelope) },
	func() Message { return new(reply) },

	func() Message { return new(OpenRequest) },
	func() Message { return new(OpenAnswer) },
	func() Message { return new(ProbeRequest) },
	func() Message { return new(VerdictAnswer) },
	func() Message { return new(KeysRequest) },
	func() Message { return new(KeysAnswer) },
	func() Message { return new(EnrolRequest) },
	func() Message { return new(OrderRequest) },
	func() Message { return new(ReceiptAnswer) },
	func() Message { return new(RenewRequest) },
	func() Message { return new(RenewAnswer) },

	func() Message { return new(CustodianKeys) },
	func() Message { return new(SessionOpen) },
	func() Message { return new(SessionOpened) },
	func() Message { return new(CompareStart) },
	func() Message { return new(CompareStarted) },
	func() Message { return new(CompareClose) },
	func() Message { return new(CompareClosed) },
	func() Message { return new(EnrolStart) },
	func() Message { return new(EnrolDelta) },
	func() Message { return new(RowStored) },
	func() Message { return new(RowPromoted) },
	func() Message { return new(RenewStart) },
	func() Message { return new(RenewDelta) },
	func() Message { return new(OrderDone) },
	func() Message { return new(ChannelOpen) },
	func() Message { return new(ChannelOpened) },
	func() Message { return new(BatchToss) },
	func() Message { return new(BatchTossed) },
	func() Message { return new(BatchReveal) },
	func() Message { return new(BatchRevealed) },
	func() Message { return new(BatchSacrifice) },
	func() Message { return new(BatchSacrificed) },

	func() Message { return new(BatchRequest) },
	func() Message { return new(BatchAnswer) },

	func() Message { return new(Hello) },
}

func nameOf(m Message) string { return reflect.TypeOf(m).Elem().Name() }

// The table above is the package's: every type with a fields method is in it.
func TestTableHoldsEveryMessage(t *testing.T) {
	in := map[string]bool{}
	for _, make := range messages {
		in[nameOf(make())] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "fields" {
				continue
			}
			found++
			receiver := f.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name
			if !in[receiver] {
				t.Errorf("%s travels and is not in the table of messages", receiver)
			}
		}
	}
	if found != len(messages) {
		t.Errorf("%d types travel, %d are in the table", found, len(messages))
	}
}

// draw fills a message with values that its encoding allows.
func draw(t *rapid.T, m Message) {
	switch m := m.(type) {
	case *envelope:
		fill(t, reflect.ValueOf(&m.chain).Elem())
		fill(t, reflect.ValueOf(&m.body).Elem())
	case *reply:
		if rapid.Bool().Draw(t, "fault") {
			m.code, m.body = rapid.StringMatching(`[a-z_]{1,64}`).Draw(t, "code"), []byte{}
		} else {
			fill(t, reflect.ValueOf(&m.body).Elem())
		}
	default:
		fill(t, reflect.ValueOf(m).Elem())
	}
	if m, ok := m.(*RenewDelta); ok && m.Current {
		m.Delta = nil
	}
}

func fill(t *rapid.T, v reflect.Value) {
	if c, ok := v.Addr().Interface().(*code.Code); ok {
		*c = code.NewCode(64 * rapid.IntRange(1, 4).Draw(t, "words"))
		for i := range *c {
			(*c)[i] = rapid.Uint64().Draw(t, "word")
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Slice:
		most := MaxSlots
		if v.Type().Elem().Kind() == reflect.Uint8 {
			most = 40
		}
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, most).Draw(t, "length"), most))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "flag"))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, "number") >> (64 - v.Type().Bits()))
	default:
		t.Fatalf("a message with a field of type %v", v.Type())
	}
}

// Every message comes back as it was, from exactly its bytes: no prefix of them and
// nothing after them is accepted.
func TestRoundTrip(t *testing.T) {
	for _, empty := range messages {
		t.Run(nameOf(empty()), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := empty()
				draw(t, m)
				data := Marshal(m)
				if large, ok := m.(interface{ size() int }); ok && large.size() != len(data) {
					t.Fatalf("%d bytes, said to be %d", len(data), large.size())
				}
				got := empty()
				if err := Unmarshal(data, got); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, m) {
					t.Fatalf("wrote %+v, read %+v", m, got)
				}
				if again := Marshal(got); !bytes.Equal(again, data) {
					t.Fatalf("wrote %x, then %x", data, again)
				}
				for n := range data {
					if err := Unmarshal(data[:n], empty()); err == nil {
						t.Fatalf("%d of %d bytes are accepted", n, len(data))
					}
				}
				if err := Unmarshal(append(data, 0), empty()); !fault.Is(err, fault.Oversize) {
					t.Fatalf("a byte too many: %v", err)
				}
			})
		})
	}
}

// What is decoded does not alias what it was decoded from.
func TestDecodedIsACopy(t *testing.T) {
	m := &BatchAnswer{Signature: []byte{1, 2, 3}}
	data := Marshal(m)
	var got BatchAnswer
	if err := Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	clear(data)
	if !bytes.Equal(got.Signature, m.Signature) {
		t.Error("the decoded message changes with the bytes it came from")
	}
}

// FuzzMessages: whatever decodes, as the message type that the first byte names,
// re-encodes to the same bytes.
func FuzzMessages(f *testing.F) {
	for i, empty := range messages {
		f.Add(append([]byte{byte(i)}, Marshal(example(empty()))...))
		f.Add([]byte{byte(i), 0, 0, 0, 1})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || int(data[0]) >= len(messages) {
			return
		}
		m := messages[data[0]]()
		if err := Unmarshal(data[1:], m); err != nil {
			if c := fault.CodeOf(err); c != fault.Truncated && c != fault.Oversize && c != fault.BadEncoding {
				t.Fatalf("%s fails with %v", nameOf(m), err)
			}
			return
		}
		if again := Marshal(m); !bytes.Equal(again, data[1:]) {
			t.Fatalf("%s: read %x, wrote %x", nameOf(m), data[1:], again)
		}
	})
}

// example is a message with something in every field.
func example(m Message) Message {
	rapid.Custom(func(t *rapid.T) bool {
		draw(t, m)
		return rapid.Bool().Draw(t, "something, for messages of nothing")
	}).Example(1)
	return m
}
