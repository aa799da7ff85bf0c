package imports_test

import "strings"

// rows is the import table, bottom first, as docs/architecture.md shows it. A
// package may import packages of earlier rows, and of its own folder's tree.
// Folders of one row may not import one another.
var rows = [][]string{
	{"fault"},
	{"crypto/canon"},
	{"crypto/prg"},
	{"crypto/dcf"},
	{"crypto/code"},
	{"crypto/share"},
	{"crypto/seal"},
	{"crypto/compare"},
	{"models"},
	{"wire"},
	{"orders"},
	{"disk"},
	{"keyring"},
	{"store"},
	{"audit"},
	{"rpc"},
	{"admit"},
	{"channel"},
	{"config"},
	{"face"},
	{"calibrate"},
	{"matcher", "custodian", "dealer"},
	{"process"},
	{"client"},
	{"enrol", "admin"},
	{"api"},
	{"dev"},
	{"cmd"},
	{"benchmarks"},
	{"test"},
}

// only lists the trees of the module that a folder may import, where that is less
// than its row allows.
var only = map[string][]string{
	"client": {"fault", "crypto", "models", "wire", "orders"},
}

// never lists trees of the module that a folder must not import although their
// rows are earlier.
var never = map[string][]string{
	"matcher":   {"face", "calibrate"},
	"custodian": {"face", "calibrate"},
	"dealer":    {"face", "calibrate"},
	"api":       {"matcher", "custodian", "dealer"},
}

// outside lists import paths, and what is below them, that belong to a few
// folders alone. Test files are free of it, and so are packages of test helpers.
var outside = map[string][]string{
	"C":                               {"face/dlib", "face/onnx"},
	"unsafe":                          {"face/dlib", "face/onnx"},
	"github.com/Kagami/go-face":       {"face/dlib"},
	"github.com/yalue/onnxruntime_go": {"face/onnx"},
	"github.com/valyala/fasthttp":     {"api"},
	"github.com/hashicorp/vault":      {"keyring/vault"},
	"github.com/cockroachdb/pebble":   {"store/pebble", "dev"}, // dev: its file system in memory
	"github.com/jackc/pgx":            {"store/postgres"},
	"github.com/pressly/goose":        {"store/postgres"},
	"google.golang.org/grpc":          {"rpc"},
	"github.com/prometheus":           {"process"},
	"google.golang.org/grpc/encoding": {}, // a compressor that is linked in is accepted
	"golang.org/x/net":                {"rpc"},
	"github.com/spf13/cobra":          {"cmd"},
	"github.com/pelletier/go-toml":    {"config"},
	"math/rand":                       {"calibrate", "benchmarks", "test"},
	"testing":                         {"benchmarks", "test"},
	"pgregory.net/rapid":              {"benchmarks", "test"},
}

// pure lists what a tree must not import directly: the comparison core does no
// I/O, reads no clock and writes no log.
var pure = map[string][]string{
	"crypto":         {"os", "net", "log", "syscall"},
	"crypto/dcf":     {"time", "context"},
	"crypto/code":    {"time", "context"},
	"crypto/share":   {"time", "context"},
	"crypto/compare": {"time", "context"},
}

// unreachable lists what a folder must not reach through any chain of imports
// inside the module. Paths that begin with the module's name are trees of it.
var unreachable = map[string][]string{
	"client":            {"os", "net", "syscall", "plugin", "C", "unsafe"},
	"cmd/nod-matcher":   {"nod/custodian", "nod/dealer", "nod/face", "nod/calibrate", "nod/dev", "C"},
	"cmd/nod-custodian": {"nod/matcher", "nod/dealer", "nod/face", "nod/calibrate", "nod/dev", "nod/api", "C"},
	"cmd/nod-dealer":    {"nod/matcher", "nod/custodian", "nod/face", "nod/calibrate", "nod/dev", "nod/api", "nod/store", "nod/admit", "nod/channel", "C"},
}

// within reports whether path is tree or below it.
func within(path, tree string) bool {
	return path == tree || strings.HasPrefix(path, tree+"/")
}

func withinAny(path string, trees []string) bool {
	for _, t := range trees {
		if within(path, t) {
			return true
		}
	}
	return false
}

// placeOf gives the row and the folder of a package, named by its path below the
// module's; ok is false for a package without a place.
func placeOf(path string) (row int, folder string, ok bool) {
	for i, folders := range rows {
		for _, f := range folders {
			if within(path, f) {
				return i, f, true
			}
		}
	}
	return 0, "", false
}
