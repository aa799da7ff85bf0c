package imports_test

import (
	"go/ast"
	"go/constant"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are all Markdown files of the repository, by path.
func documents(t *testing.T, root fs.FS) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (path.Base(name)[0] == '.' || path.Base(name) == "testdata"):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, ".md"):
			text, err := fs.ReadFile(root, name)
			out[name] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Links between documents, and from documents to files, lead somewhere.
func TestDocumentsLinkToWhatIsThere(t *testing.T) {
	root := os.DirFS(root)
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)\s]*)?\)`)
	found := 0
	for name, text := range documents(t, root) {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			found++
			if target := path.Join(path.Dir(name), match[1]); !exists(root, target) {
				t.Errorf("%s links to %s, which is not there", name, target)
			}
		}
	}
	if found == 0 {
		t.Error("no links found")
	}
}

// Tests that documents name as evidence exist.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	root := os.DirFS(root)
	declared := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)
	err := fs.WalkDir(root, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, name)
		for _, match := range declaration.FindAllStringSubmatch(string(text), -1) {
			declared[match[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	mention := regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w*`)
	found := 0
	for name, text := range documents(t, root) {
		for _, test := range mention.FindAllString(text, -1) {
			found++
			if !declared[test] {
				t.Errorf("%s names %s, which no test file declares", name, test)
			}
		}
	}
	if found == 0 {
		t.Error("no tests named")
	}
}

// Comments cite documents, and sections of the protocol, that exist.
func TestCommentsCiteWhatIsThere(t *testing.T) {
	m, set, err := load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	documents := documents(t, os.DirFS(root))
	cited := regexp.MustCompile(`docs/[A-Za-z0-9/_-]+\.md`)
	section := regexp.MustCompile(`docs/spec/protocol\.md,?\s+sections? ((?:\d+(?:, | and )?)+)`)
	number := regexp.MustCompile(`\d+`)
	for _, p := range m {
		for _, file := range p.files {
			for _, group := range file.Comments {
				text := strings.Join(strings.Fields(group.Text()), " ")
				where := set.Position(group.Pos())
				for _, name := range cited.FindAllString(text, -1) {
					if _, ok := documents[name]; !ok {
						t.Errorf("%s cites %s, which is not there", where, name)
					}
				}
				for _, match := range section.FindAllStringSubmatch(text, -1) {
					for _, n := range number.FindAllString(match[1], -1) {
						if !strings.Contains(documents["docs/spec/protocol.md"], "\n## "+n+". ") {
							t.Errorf("%s cites section %s of the protocol, which is not there", where, n)
						}
					}
				}
			}
		}
	}
}

// kinds are the canonical kinds that programs use, with the packages that do:
// every constant of type canon.Kind.
func (m module) kinds(c *checker) map[string][]string {
	out := map[string][]string{}
	for _, p := range m {
		if p.helper() {
			continue
		}
		for e, value := range c.info(p.path).Types {
			named, ok := value.Type.(*types.Named)
			if !ok || value.Value == nil || value.Value.Kind() != constant.String || named.Obj().Name() != "Kind" ||
				named.Obj().Pkg().Path() != moduleName+"/crypto/canon" {
				continue
			}
			if _, selected := e.(*ast.SelectorExpr); selected {
				continue // of a package that declares it
			}
			kind := constant.StringVal(value.Value)
			if !slices.Contains(out[kind], p.path) {
				out[kind] = append(out[kind], p.path)
			}
		}
	}
	return out
}

// No canonical kind serves two packages, and docs/spec/protocol.md, section 3,
// lists them all.
func TestKindsAreListedAndServeOnePurpose(t *testing.T) {
	m, set, err := load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	used := m.kinds(newChecker(m, set))
	text := documents(t, os.DirFS(root))["docs/spec/protocol.md"]
	_, text, _ = strings.Cut(text, "\n## 3. ")
	text, _, _ = strings.Cut(text, "\n## 4. ")
	listed := map[string]bool{}
	for _, match := range regexp.MustCompile("(?m)^\\| `([a-z0-9/-]+)` \\|").FindAllStringSubmatch(text, -1) {
		if listed[match[1]] {
			t.Errorf("kind %q is listed twice", match[1])
		}
		listed[match[1]] = true
	}
	for _, kind := range slices.Sorted(maps.Keys(used)) {
		slices.Sort(used[kind])
		if len(used[kind]) > 1 {
			t.Errorf("kind %q is used in several packages: %v", kind, used[kind])
		}
		if !listed[kind] {
			t.Errorf("kind %q of %v is not listed in docs/spec/protocol.md, section 3", kind, used[kind])
		}
		delete(listed, kind)
	}
	for kind := range listed {
		t.Errorf("kind %q is listed in docs/spec/protocol.md and used nowhere", kind)
	}
}

// The list of kinds is found where they are literals, constants, and arguments of
// a package's own functions.
func TestKindsAreFound(t *testing.T) {
	m, set, err := load(files(map[string]string{
		"crypto/canon/a.go": "package canon\n\ntype Kind string\n\nfunc Encode(k Kind, fields ...[]byte) []byte { return nil }\n",
		"wire/a.go": `package wire

import "nod/crypto/canon"

const named canon.Kind = "named"

func own(kind canon.Kind) {}

func f() {
	canon.Encode("literal")
	canon.Encode(named)
	own("passed")
	_ = "other"
}
`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(m.kinds(newChecker(m, set))))
	if want := []string{"literal", "named", "passed"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}
