package cut

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/compare"
	"nod/crypto/prg"
)

var update = flag.Bool("update", false, "write testdata anew")

// vectors is testdata/vectors.json; docs/spec/vectors.md describes it.
type vectors struct {
	Comment string        `json:"comment"`
	List    listVector    `json:"list"`
	Coin    coinVector    `json:"coin"`
	Orders  []orderVector `json:"orders"`
}

type listVector struct {
	Root    uint32           `json:"root"`
	Channel canon.ChannelID  `json:"channel"`
	Batch   uint64           `json:"batch"`
	Halves  [][2]halfDigests `json:"halves"`
	Digests canon.Digest     `json:"digests"` // SHA-256 of all of them
	Signed  string           `json:"signed_bytes"`
	Hash    canon.Digest     `json:"hash"`
}

type halfDigests struct {
	Seed canon.Digest `json:"seed"`
	Full canon.Digest `json:"full"`
}

type coinVector struct {
	List        canon.Digest    `json:"list"`
	Coins       [2]string       `json:"coins"`
	Commitments [2]canon.Digest `json:"commitments"`
	Sigma       string          `json:"sigma"`
}

// orderVector: the permutation for a batch of n; for a long one its first places and
// the SHA-256 of all, as 4-byte big-endian numbers.
type orderVector struct {
	Sigma string       `json:"sigma"`
	N     int          `json:"n"`
	First numbers      `json:"first"` // separated by spaces
	Hash  canon.Digest `json:"hash"`
}

// numbers are in one text: JSON's own arrays take a line each.
type numbers []int

func (n numbers) MarshalText() ([]byte, error) {
	return []byte(strings.Trim(fmt.Sprint([]int(n)), "[]")), nil
}

func makeVectors() *vectors {
	v := &vectors{Comment: "Cut and choose. docs/spec/vectors.md. Public test values only."}
	digest := func(label string) canon.Digest { return sha256.Sum256([]byte(label)) }
	list := &List{Root: 3, Channel: canon.ChannelID(digest("channel")), Batch: 5}
	for i := range 4 {
		var d [2]compare.Digests
		for p := range d {
			d[p] = compare.Digests{Seed: digest(fmt.Sprintf("seed %d %d", i, p)), Full: digest(fmt.Sprintf("full %d %d", i, p))}
		}
		list.Halves = append(list.Halves, d)
		v.List.Halves = append(v.List.Halves, [2]halfDigests{halfDigests(d[0]), halfDigests(d[1])})
	}
	statement := list.Statement()
	v.List.Root, v.List.Channel, v.List.Batch = list.Root, list.Channel, list.Batch
	v.List.Digests, v.List.Signed, v.List.Hash = statement.Digests, hex.EncodeToString(list.Signed()), list.Hash()

	coins := [2]Coin{Coin(digest("coin 0")), Coin(digest("coin 1"))}
	sigma := Sigma(list.Hash(), &coins[0], &coins[1])
	v.Coin = coinVector{List: list.Hash(), Sigma: hex.EncodeToString(sigma[:])}
	for p := range compare.Party(2) {
		v.Coin.Coins[p] = hex.EncodeToString(coins[p][:])
		v.Coin.Commitments[p] = coins[p].Commit(p, list.Hash())
	}
	for _, n := range []int{4, 32, 4096, 65536} {
		order := Order(&sigma, n)
		v.Orders = append(v.Orders, orderVector{hex.EncodeToString(sigma[:]), n, order[:min(n, 64)], hashOf(order)})
	}
	other := prg.Seed(digest("another sigma"))
	v.Orders = append(v.Orders, orderVector{hex.EncodeToString(other[:]), 100, Order(&other, 100), hashOf(Order(&other, 100))})
	return v
}

func hashOf(order []int) canon.Digest {
	var all []byte
	for _, i := range order {
		all = append(all, byte(i>>24), byte(i>>16), byte(i>>8), byte(i))
	}
	return sha256.Sum256(all)
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
