// Package load puts a deployment of three real processes under load, over the loopback
// address alone, and measures what it costs and how it behaves: benchmarks/load/report
// prints what it finds as the tables of docs/evidence/load.md, and the tests here hold
// what must be so on any machine.
//
// The load generator plays relying parties and devices with real signed requests and
// real sealed probes. It is a process of its own: what the three roles use is read from
// their own counters, so the generator's work is in no figure but its own.
package load
