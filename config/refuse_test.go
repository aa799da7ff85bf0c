package config

import (
	"strings"
	"testing"

	"nod/fault"
)

const (
	bank    = "\n[[relying_party]]\nid = \"bank\"\nkeys = [\"bank.jwk\"]\npurposes = [\"opening\"]\n"
	counter = "\n[[station]]\nid = \"counter\"\nkeys = [\"counter.jwk\"]\n"
)

// Whatever is wrong with a matcher's file is refused, and the field is named.
func TestRefusals(t *testing.T) {
	replaced := func(old, new string) string { return edit(t, leastMatcher, old, new) }
	with := func(more string) string { return leastMatcher + more }
	for name, c := range map[string]struct {
		text string
		code fault.Code
		says []string
	}{
		"not TOML":               {"folder", fault.BadEncoding, []string{"line 1"}},
		"not UTF-8":              {"folder = \"\xff\"", fault.BadEncoding, nil},
		"a field twice":          {with("[log]\nlevel = \"info\"\nlevel = \"info\"\n"), fault.BadEncoding, []string{"line"}},
		"a table twice":          {with("[peers]\n"), fault.BadEncoding, nil},
		"too large":              {leastMatcher + strings.Repeat("#", MaxFile), fault.Oversize, nil},
		"unknown field":          {"drane = \"20s\"\n" + leastMatcher, fault.UnknownField, []string{"drane"}},
		"unknown inside":         {with("[limits]\nconsecutives = 5\n"), fault.UnknownField, []string{"limits.consecutives"}},
		"unknown in a list":      {with(caller("a", "k", "[]") + "role = \"x\"\n"), fault.UnknownField, []string{"caller[0].role"}},
		"unknown table":          {with("[bank]\n"), fault.UnknownField, []string{"bank"}},
		"another case":           {replaced("folder =", "Folder ="), fault.UnknownField, []string{"Folder"}},
		"an empty name":          {"\"\" = 1\n" + leastMatcher, fault.UnknownField, nil},
		"a custodian's field":    {with("[correlations]\nchannels = 16\n"), fault.UnknownField, []string{"correlations.channels"}},
		"text for number":        {with("[limits]\nconsecutive = \"5\"\n"), fault.BadEncoding, []string{"limits.consecutive", "whole number", "1 to 65535"}},
		"fraction":               {with("[limits]\nconsecutive = 5.0\n"), fault.BadEncoding, []string{"limits.consecutive"}},
		"truth for number":       {with("[limits]\nconsecutive = true\n"), fault.BadEncoding, []string{"limits.consecutive"}},
		"more than 64 bits":      {with("[limits]\nconsecutive = 99999999999999999999\n"), fault.BadEncoding, nil},
		"number for duration":    {with("[limits]\npause = 1800\n"), fault.BadEncoding, []string{"limits.pause", "180s", "1s to 24h"}},
		"duration without unit":  {with("[limits]\npause = \"1800\"\n"), fault.BadEncoding, []string{"limits.pause", "180s", "1s to 24h"}},
		"number for text":        {replaced(`folder = "/var/lib/nod"`, "folder = 1"), fault.BadEncoding, []string{"folder", "text"}},
		"text for table":         {"peers = \"x\"\n" + strings.Split(leastMatcher, "[peers]")[0], fault.BadEncoding, []string{"peers", "table"}},
		"table for list":         {replaced("[bureau]", "[station]\nid = \"a\"\n[bureau]"), fault.BadEncoding, []string{"station", "list"}},
		"text for list":          {replaced(`["model.json"]`, `"model.json"`), fault.BadEncoding, []string{"trust.models", "list"}},
		"text for table in list": {"caller = [\"x\"]\n" + leastMatcher, fault.BadEncoding, []string{"caller[0]", "table"}},
		"number in list":         {replaced(`["model.json"]`, `["model.json", 1]`), fault.BadEncoding, []string{"trust.models[1]", "text"}},
		"empty in list":          {replaced(`["model.json"]`, `[""]`), fault.BadEncoding, []string{"trust.models[0]", "path"}},
		"control in path":        {replaced(`["model.json"]`, `["a\u0000b"]`), fault.BadEncoding, []string{"trust.models[0]", "path"}},

		"address without port": {replaced(`"custodian:7443"`, `"custodian"`), fault.BadEncoding, []string{"peers.custodian", "host:port"}},
		"address without host": {replaced(`"custodian:7443"`, `":7443"`), fault.BadEncoding, []string{"peers.custodian", "host:port"}},
		"address with space":   {replaced(`"custodian:7443"`, `"custo dian:7443"`), fault.BadEncoding, []string{"peers.custodian"}},
		"a peer at port 0":     {replaced(`"custodian:7443"`, `"custodian:0"`), fault.OutOfRange, []string{"peers.custodian", "1 to 65535"}},
		"a named port":         {replaced(`"custodian:7443"`, `"custodian:https"`), fault.OutOfRange, []string{"peers.custodian", "digits"}},
		"a port in two ways":   {replaced(`"custodian:7443"`, `"custodian:07443"`), fault.OutOfRange, []string{"peers.custodian"}},
		"a port too high":      {replaced(`"127.0.0.1:7480"`, `"127.0.0.1:65536"`), fault.OutOfRange, []string{"listen.operations", "0 to 65535"}},
		"to listen anywhere":   {replaced(`"127.0.0.1:7443"`, `":7443"`), fault.BadEncoding, []string{"listen.calls", "host:port"}},
		"a level":              {with("[log]\nlevel = \"trace\"\n"), fault.OutOfRange, []string{"log.level", "debug, info, warn or error"}},

		"batch and sacrifice":     {with("[correlations]\nbatch = 256\nsacrifice = 256\n"), fault.OutOfRange, []string{"correlations.sacrifice", "less than"}},
		"high without low":        {with("[correlations]\nhigh = 6047\n"), fault.OutOfRange, []string{"correlations.high", "6048"}},
		"high with low":           {with("[correlations]\nlow = 100\nhigh = 4131\n"), fault.OutOfRange, []string{"correlations.high", "4132"}},
		"a caller as matcher":     {with(caller("matcher", "k", "[]")), fault.BadEncoding, []string{"caller[0].name", "role"}},
		"a caller as custodian":   {with(caller("a", "k", "[]") + caller("custodian", "l", "[]")), fault.BadEncoding, []string{"caller[1].name", "role"}},
		"a caller as dealer":      {with(caller("dealer", "k", "[]")), fault.BadEncoding, []string{"caller[0].name", "role"}},
		"a caller with capitals":  {with(caller("Bank", "k", "[]")), fault.BadEncoding, []string{"caller[0].name", "a-z"}},
		"a caller with an end":    {with(caller("bank-", "k", "[]")), fault.BadEncoding, []string{"caller[0].name", "a-z"}},
		"a caller twice":          {with(caller("a", "k", "[]") + caller("a", "l", "[]")), fault.BadEncoding, []string{"caller[1].name", "twice"}},
		"an unknown method":       {with(caller("a", "k", `["matcher/Open", "matcher/open"]`)), fault.UnknownMethod, []string{"caller[0].methods[1]", "matcher/open"}},
		"a custodian's method":    {with(caller("a", "k", `["custodian/Open"]`)), fault.UnknownMethod, []string{"caller[0].methods[0]"}},
		"all methods":             {with(caller("a", "k", `["*"]`)), fault.UnknownMethod, []string{"caller[0].methods[0]"}},
		"a method twice":          {with(caller("a", "k", `["matcher/Open", "matcher/Open"]`)), fault.BadEncoding, []string{"caller[0].methods[1]"}},
		"a relying party twice":   {with(bank + bank), fault.BadEncoding, []string{"relying_party[1].id", "twice"}},
		"a station twice":         {with(counter + counter), fault.BadEncoding, []string{"station[1].id", "twice"}},
		"an id with space":        {with(edit(t, bank, `"bank"`, `"the bank"`)), fault.BadEncoding, []string{"relying_party[0].id", "128"}},
		"an id too long":          {with(edit(t, bank, `"bank"`, `"`+strings.Repeat("x", 129)+`"`)), fault.BadEncoding, []string{"relying_party[0].id", "128"}},
		"an id beyond ASCII":      {with(edit(t, counter, `"counter"`, `"balcão"`)), fault.BadEncoding, []string{"station[0].id", "ASCII"}},
		"a purpose too long":      {with(edit(t, bank, `"opening"`, `"`+strings.Repeat("x", 65)+`"`)), fault.BadEncoding, []string{"relying_party[0].purposes[0]", "64"}},
		"a station without keys":  {with(edit(t, counter, `["counter.jwk"]`, "[]")), fault.BadEncoding, []string{"missing: station[0].keys"}},
		"a party without purpose": {with(edit(t, bank, `["opening"]`, "[]")), fault.BadEncoding, []string{"missing: relying_party[0].purposes"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse[Matcher]([]byte(c.text), "/etc/nod")
			refused(t, err, c.code, c.says...)
		})
	}
}

// All required fields that are not there are named at once.
func TestMissingFieldsAreNamed(t *testing.T) {
	trust := []string{"trust.bundle", "trust.models", "trust.policies"}
	for _, c := range []struct {
		name    string
		text    string
		missing []string
	}{
		{"matcher", "", append([]string{"folder", "listen.calls", "listen.operations", "peers.custodian", "peers.dealer", "bureau.keys"}, trust...)},
		{"matcher", "folder = \"\"\n", []string{"folder"}},
		{"matcher", caller("a", "k", "[]") + "[[caller]]\n", []string{"caller[1].name", "caller[1].key"}},
		{"custodian", "", append([]string{"folder", "listen.calls", "listen.operations", "peers.dealer", "bureau.keys"}, trust...)},
		{"dealer", "", []string{"folder", "trust.bundle", "trust.models", "listen.calls", "listen.operations"}},
		{"client", "", append([]string{"matcher", "caller.name", "caller.key"}, trust...)},
		{"client", "[relying_party]\n[station]\n[bureau]\n", []string{
			"relying_party.id", "relying_party.purpose", "relying_party.key", "station.id", "station.key", "bureau.key",
		}},
	} {
		for _, p := range programs() {
			if p.name == c.name {
				_, err := p.parse([]byte(c.text), "/etc/nod")
				refused(t, err, fault.BadEncoding, append(c.missing, "missing")...)
			}
		}
	}
}

// A client's file has rules of its own.
func TestClientRefusals(t *testing.T) {
	for old, c := range map[string]struct {
		new  string
		says string
	}{
		`"bank"`:         {`"dealer"`, "caller.name"},
		`"matcher:7443"`: {`"matcher"`, "matcher"},
		`"caller.jwk"`:   {`["caller.jwk"]`, "caller.key"},
	} {
		_, err := parse[Client]([]byte(edit(t, leastClient, old, c.new)), "/etc/nod")
		refused(t, err, fault.BadEncoding, c.says)
	}
}
