// Package channel keeps both parties in correlations: it fetches them from the
// dealer in batches, has both parties cut and choose, and hands each one out once.
// Source is the matcher's side, Server the custodian's. It implements
// docs/spec/protocol.md, section 5.
//
// # Why an index is used once
//
// A half lives in the memory of one process and nowhere else, and a process gets
// each half once:
//
//   - Before a party asks the dealer for a batch it writes, durably and on
//     condition that it is not there yet, a row that names channel and batch. So
//     no party ever fetches a batch a second time, before or after a crash: the
//     halves that were in memory are gone with it.
//   - A channel's id is a hash over names and nonces that both processes draw when
//     they start or open it. A restarted process knows no old channel, and cannot
//     join one: its new nonce makes another id. The row is for what this does not
//     cover: a peer that asks for a batch again, and a process brought back with
//     old randomness.
//   - In memory, a half leaves its place when it is handed out: there is no copy to
//     hand out again. The place of a sacrificed half is emptied before its seed is
//     sent, so the row is also what burns it for good.
//
// What this cannot stop is an operator who freezes a running process, lets it go
// on, and then runs the frozen copy too; docs/spec/threat-model.md says so.
//
// # Who is caught
//
// Each party checks what the dealer sent against the list that the dealer signed,
// before the coin. The matcher forwards the dealer's signed statement with its
// commitment, so two lists for one batch are two signatures that contradict each
// other. After the coin, both send the seeds of the correlations that it chose,
// and recompute them. Whoever is caught is named in an Alarm, and nothing is
// handed out any more: for a dealer, and on the matcher's side for anybody, until
// the process is restarted.
package channel
