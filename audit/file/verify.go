package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"nod/audit"
	"nod/crypto/canon"
	"nod/fault"
)

// Summary is what a walk over a log's file found.
type Summary struct {
	Count uint64       // leaves
	Head  canon.Digest // hash of the last one; zero where there is none
	Size  int64        // bytes that the leaves take
	Torn  int          // bytes after them, of a record whose write never ended
}

// Verify walks a log's file from its start, which holds no secret of the role,
// and checks every line and the whole chain. It fails with fault.AuditBroken at
// the first line that is not as it was written, and says which; an unfinished
// last line is not a failure, since nobody was told that it is there.
//
// A file that lost whole records at its end is a shorter log, and nothing in it
// says so: compare Head, or Count, with what verdicts and backups say.
func Verify(r io.Reader) (Summary, error) {
	return walk(r, Summary{}, func(Summary, audit.Leaf) bool { return true })
}

// walk reads on from a place in a log that the summary describes. visit is given
// the place before each leaf, and the leaf; it ends the walk by saying false.
func walk(r io.Reader, at Summary, visit func(before Summary, leaf audit.Leaf) (more bool)) (Summary, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			at.Torn = len(line)
			return at, checkTorn(at.Count, line)
		case errors.Is(err, bufio.ErrBufferFull):
			return at, broken(at.Count, fmt.Errorf("a line without an end"))
		case err != nil:
			return at, fault.New(fault.AuditUnavailable, "reading leaf %d: %w", at.Count, err)
		}
		leaf, hash, err := decodeLine(line)
		if err != nil {
			return at, broken(at.Count, err)
		}
		if leaf.Serial != at.Count {
			return at, broken(at.Count, fmt.Errorf("it has serial %d", leaf.Serial))
		}
		if leaf.Link(at.Head) != hash {
			return at, broken(at.Count, fmt.Errorf("its hash does not follow from the leaf and the hash before"))
		}
		if !visit(at, leaf) {
			return at, nil
		}
		at.Count++
		at.Head = hash
		at.Size += int64(len(line))
	}
}

func broken(serial uint64, err error) error {
	return fault.New(fault.AuditBroken, "leaf %d: %w", serial, err)
}

// checkTorn holds a last line without an end to be the beginning of the next
// record, and perhaps zeros where the file grew before its data came. A closing
// brace ends a record and is nowhere else, so a record whose line end alone was
// changed is not taken for one that nobody was told of.
func checkTorn(serial uint64, tail []byte) error {
	begun := bytes.TrimRight(tail, "\x00")
	start := fmt.Appendf(nil, `{"serial":%d,"time":"`, serial)
	n := min(len(begun), len(start))
	brace := bytes.IndexByte(begun, '}')
	if len(begun) > maxLine || !bytes.Equal(begun[:n], start[:n]) || brace >= 0 && brace != len(begun)-1 {
		return broken(serial, fmt.Errorf("the last line is not the beginning of a record"))
	}
	return nil
}
