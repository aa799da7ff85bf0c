// Package rpc carries wire's encoded messages between processes: gRPC over mutually
// authenticated TLS 1.3. It implements docs/spec/transport.md.
//
// A Client is a wire.Caller, a Server feeds a wire.Handler; neither reads a message.
// Both sides present a short-lived certificate that their own long-lived identity key
// signed, and accept the other side's only under the keys that their own operator
// pinned for it (Pins). No certificate authority stands over them, and no name in a
// certificate means anything but under its own key. The only key exchange is
// X25519MLKEM768.
//
// A call is never tried again here: a role decides what is safe to repeat.
package rpc
