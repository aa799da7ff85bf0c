// Package config reads the one file that configures a program: nod-matcher,
// nod-custodian, nod-dealer, or the command line against a running matcher.
//
// A file says who is trusted, so it is read as strictly as a message from outside:
// it must be a regular file that nobody but its owner may write to, of at most
// MaxFile bytes, in TOML, with no field that nothing reads. Field names have one
// spelling. Whatever is wrong names the field, as limits.pause or, in a list,
// caller[0].name, and says what is allowed.
//
// Fields that say who and where (folders, addresses, ids, keys) have no default.
// Numbers and durations have one; leaving them out, or writing 0, means the default,
// so no limit can be switched off. Relative paths are relative to the folder of the
// file that names them; a loaded configuration has absolute ones.
//
// The struct tags say what a decoder holds of each field, and a test holds the
// comments and the samples to the tags: is (the kind of a text: see kinds), default,
// range (both ends included), and min (the least elements of a list).
//
// The functions that load a file fail with fault.NotFound or fault.StoreUnavailable
// (it cannot be read), Exposed (others may write to it), Oversize, BadEncoding (no
// regular file, not TOML, a value of another type or form, a field missing, a name or
// method twice), UnknownField, OutOfRange, or UnknownMethod. The files that it names
// are read by methods of what was loaded, with the faults of their own formats
// besides.
//
// docs/configuration.md is the operator's page.
package config
