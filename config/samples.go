package config

import _ "embed" // the samples

//go:embed samples/matcher.toml
var matcherSample string

//go:embed samples/custodian.toml
var custodianSample string

//go:embed samples/dealer.toml
var dealerSample string

//go:embed samples/client.toml
var clientSample string

// MatcherSample is a complete file for nod-matcher, with every field and its default.
func MatcherSample() string { return matcherSample }

// CustodianSample is a complete file for nod-custodian.
func CustodianSample() string { return custodianSample }

// DealerSample is a complete file for nod-dealer.
func DealerSample() string { return dealerSample }

// ClientSample is a complete file for the nod command.
func ClientSample() string { return clientSample }
