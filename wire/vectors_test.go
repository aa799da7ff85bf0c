package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"

	"nod/crypto/code"
	"nod/crypto/dcf"
)

var update = flag.Bool("update", false, "write testdata anew")

// vectors is testdata/vectors.json; docs/spec/vectors.md describes it.
type vectors struct {
	Comment  string          `json:"comment"`
	Messages []messageVector `json:"messages"`
}

type messageVector struct {
	Message string         `json:"message"`
	Fields  map[string]any `json:"fields"`
	Encoded string         `json:"encoded"`
}

// sample fills a value from r: two elements in every list, 3 to 6 bytes in every
// field of bytes, 64 bits in every code.
func sample(r *rand.Rand, v reflect.Value) {
	if c, ok := v.Addr().Interface().(*code.Code); ok {
		*c = code.Code{r.Uint64()}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			sample(r, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			sample(r, v.Index(i))
		}
	case reflect.Slice:
		n := 2
		if v.Type().Elem().Kind() == reflect.Uint8 {
			n = 3 + r.IntN(4)
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			sample(r, v.Index(i))
		}
	case reflect.Bool:
		v.SetBool(false)
	default:
		v.SetUint(r.Uint64() >> (64 - v.Type().Bits()))
	}
}

// describe gives a value as JSON: bytes in hexadecimal, numbers as they are.
func describe(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case code.Code:
		return hex.EncodeToString(x.Bytes())
	case dcf.Block:
		var out [dcf.BlockSize]byte
		x.Put(out[:])
		return hex.EncodeToString(out[:])
	case []byte:
		return hex.EncodeToString(x)
	}
	switch v.Kind() {
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			out[v.Type().Field(i).Name] = describe(v.Field(i))
		}
		return out
	case reflect.Array, reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			raw := make([]byte, v.Len())
			reflect.Copy(reflect.ValueOf(raw), v)
			return hex.EncodeToString(raw)
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i] = describe(v.Index(i))
		}
		return out
	case reflect.Uint64: // JSON's numbers have 53 bits in most languages
		var raw [8]byte
		for i := range raw {
			raw[i] = byte(v.Uint() >> (56 - 8*i))
		}
		return hex.EncodeToString(raw[:])
	}
	return v.Interface()
}

func makeVectors() *vectors {
	v := &vectors{Comment: "One message of every type. docs/spec/vectors.md. Random values."}
	for _, empty := range messages {
		m := empty()
		seed := sha256.Sum256([]byte(nameOf(m)))
		one := messageVector{Message: nameOf(m)}
		switch m := m.(type) {
		case *envelope:
			m.chain[0], m.body = 1, []byte{2, 3}
			one.Fields = map[string]any{"chain": hex.EncodeToString(m.chain[:]), "body": "0203"}
		case *reply:
			m.code = "index_used"
			one.Fields = map[string]any{"code": m.code, "body": ""}
		default:
			x := reflect.ValueOf(m).Elem()
			sample(rand.New(rand.NewPCG(uint64(seed[0]), uint64(seed[1]))), x)
			one.Fields = describe(x).(map[string]any)
		}
		one.Encoded = hex.EncodeToString(Marshal(m))
		v.Messages = append(v.Messages, one)
	}
	renewed := &RenewDelta{Counter: 7, Current: true}
	v.Messages = append(v.Messages, messageVector{
		"RenewDelta", map[string]any{"Counter": "0000000000000007", "Current": true}, hex.EncodeToString(Marshal(renewed)),
	})
	return v
}

func TestVectors(t *testing.T) {
	const path = "testdata/vectors.json"
	made, err := json.MarshalIndent(makeVectors(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	made = append(made, '\n')
	if *update {
		if err := os.WriteFile(path, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, committed) {
		t.Error("this implementation does not give the committed vectors")
	}
}
