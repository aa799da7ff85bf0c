package crash_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// document has what the tests saw, in two parts.
var document = filepath.Join("..", "..", "docs", "crash-safety.md")

// part is the text of the document between two marks.
func part(t *testing.T, name string) (before, text, after string) {
	t.Helper()
	data, err := os.ReadFile(document)
	must(t, err)
	begin, end := fmt.Sprintf("<!-- %s: written by the test -->\n", name), fmt.Sprintf("<!-- end of %s -->", name)
	before, rest, found := strings.Cut(string(data), begin)
	text, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no part %s", document, name)
	}
	return before + begin, text, end + after
}

// replace writes a part anew.
func replace(t *testing.T, name, text string) {
	t.Helper()
	before, _, after := part(t, name)
	must(t, os.WriteFile(document, []byte(before+text+after), 0o644))
}

// measured says when and how a part was made.
func measured(test string) string {
	return fmt.Sprintf("Measured on %s with `NOD_TEST_LONG=1 go test ./test/crash -run %s -count=1 -update`.\n\n",
		time.Now().UTC().Format("2 January 2006"), test)
}

// publish writes the table, or holds the one that is there to what was seen.
func publish(t *testing.T, seen table) {
	t.Helper()
	kills := 0
	for _, l := range seen {
		kills += l.kills
	}
	text := fmt.Sprintf("%d writes, %d kills (a write of a store is hit in two layers).\n\n", len(seen), kills)
	t.Log(text)
	if t.Failed() {
		return
	}
	if *update {
		if !long() {
			t.Fatal("the whole table needs NOD_TEST_LONG=1")
		}
		replace(t, "the table", measured("TestEveryDurableWrite")+text+seen.markdown())
		return
	}
	_, written, _ := part(t, "the table")
	for _, l := range seen {
		if !l.in(written) {
			t.Errorf("%s does not have what was seen; -update writes it:\n%s", document, l.markdown())
		}
	}
}

// markdown is the whole table.
func (t table) markdown() string {
	var b strings.Builder
	b.WriteString("| operation | role | write | seen after a kill right before | seen after a kill right after |\n|---|---|---|---|---|\n")
	for _, l := range t {
		b.WriteString(l.markdown() + "\n")
	}
	return b.String()
}

func (l line) markdown() string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s |", l.operation, l.role, l.write, l.cells[0], l.cells[1])
}

// in reports whether a table has the line; what was not tried may be anything.
func (l line) in(text string) bool {
	for row := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
		if len(cells) != 5 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == l.operation && cells[1] == string(l.role) && cells[2] == l.write {
			return (l.cells[0] == "" || l.cells[0] == cells[3]) && (l.cells[1] == "" || l.cells[1] == cells[4])
		}
	}
	return false
}
