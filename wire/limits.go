package wire

// Limits of fields, in bytes or elements. They bound what a decoder allocates.
const (
	MaxMessage     = 256 << 20 // any message; only a batch of correlations comes near
	MaxRequest     = 8 << 10   // a signed request or order
	MaxCertificate = 2 << 10
	MaxSealed      = 8 << 10
	MaxAttestation = 16 << 10
	MaxSignature   = 4 << 10
	MaxSigned      = 64 << 10 // an answer, a verdict, a receipt
	MaxSlots       = 2
	MaxChecks      = 8
	MaxBatch       = 1 << 16 // correlations in a batch
	MaxBatches     = 1 << 40 // batches of a channel: more than any uses, and no index overflows
	MaxCorrections = 64 << 10
	MaxRenewals    = 1024
)
