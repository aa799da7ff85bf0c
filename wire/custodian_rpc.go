package wire

import "context"

// The custodian's methods.
const (
	CustodianKeysMethod  Method = "custodian/Keys"
	CustodianOpen        Method = "custodian/Open"
	CustodianStart       Method = "custodian/Start"
	CustodianClose       Method = "custodian/Close"
	CustodianEnrol       Method = "custodian/Enrol"
	CustodianStored      Method = "custodian/Stored"
	CustodianRenew       Method = "custodian/Renew"
	CustodianOrder       Method = "custodian/Order"
	CustodianOpenChannel Method = "custodian/OpenChannel"
	CustodianToss        Method = "custodian/Toss"
	CustodianReveal      Method = "custodian/Reveal"
	CustodianSacrifice   Method = "custodian/Sacrifice"
)

// CustodianMethods lists them.
func CustodianMethods() []Method {
	return []Method{
		CustodianKeysMethod, CustodianOpen, CustodianStart, CustodianClose, CustodianEnrol, CustodianStored, CustodianRenew,
		CustodianOrder, CustodianOpenChannel, CustodianToss, CustodianReveal, CustodianSacrifice,
	}
}

// ServeCustodian serves any Custodian.
func ServeCustodian(c Custodian, report Report) Handler {
	return handler(report, map[Method]func(context.Context, []byte) ([]byte, error){
		CustodianKeysMethod:  serve(c.Keys),
		CustodianOpen:        serve(c.Open),
		CustodianStart:       serve(c.Start),
		CustodianClose:       serve(c.Close),
		CustodianEnrol:       serve(c.Enrol),
		CustodianStored:      serve(c.Stored),
		CustodianRenew:       serve(c.Renew),
		CustodianOrder:       serve(c.Order),
		CustodianOpenChannel: serve(c.OpenChannel),
		CustodianToss:        serve(c.Toss),
		CustodianReveal:      serve(c.Reveal),
		CustodianSacrifice:   serve(c.Sacrifice),
	})
}

// CustodianClient is a Custodian at the other end of a Caller.
type CustodianClient struct{ Caller Caller }

var _ Custodian = CustodianClient{}

// Keys calls custodian/Keys.
func (c CustodianClient) Keys(ctx context.Context, m *KeysRequest) (*CustodianKeys, error) {
	return invoke[CustodianKeys](ctx, c.Caller, CustodianKeysMethod, m)
}

// Open calls custodian/Open.
func (c CustodianClient) Open(ctx context.Context, m *SessionOpen) (*SessionOpened, error) {
	return invoke[SessionOpened](ctx, c.Caller, CustodianOpen, m)
}

// Start calls custodian/Start.
func (c CustodianClient) Start(ctx context.Context, m *CompareStart) (*CompareStarted, error) {
	return invoke[CompareStarted](ctx, c.Caller, CustodianStart, m)
}

// Close calls custodian/Close.
func (c CustodianClient) Close(ctx context.Context, m *CompareClose) (*CompareClosed, error) {
	return invoke[CompareClosed](ctx, c.Caller, CustodianClose, m)
}

// Enrol calls custodian/Enrol.
func (c CustodianClient) Enrol(ctx context.Context, m *EnrolStart) (*EnrolDelta, error) {
	return invoke[EnrolDelta](ctx, c.Caller, CustodianEnrol, m)
}

// Stored calls custodian/Stored.
func (c CustodianClient) Stored(ctx context.Context, m *RowStored) (*RowPromoted, error) {
	return invoke[RowPromoted](ctx, c.Caller, CustodianStored, m)
}

// Renew calls custodian/Renew.
func (c CustodianClient) Renew(ctx context.Context, m *RenewStart) (*RenewDelta, error) {
	return invoke[RenewDelta](ctx, c.Caller, CustodianRenew, m)
}

// Order calls custodian/Order.
func (c CustodianClient) Order(ctx context.Context, m *OrderRequest) (*OrderDone, error) {
	return invoke[OrderDone](ctx, c.Caller, CustodianOrder, m)
}

// OpenChannel calls custodian/OpenChannel.
func (c CustodianClient) OpenChannel(ctx context.Context, m *ChannelOpen) (*ChannelOpened, error) {
	return invoke[ChannelOpened](ctx, c.Caller, CustodianOpenChannel, m)
}

// Toss calls custodian/Toss.
func (c CustodianClient) Toss(ctx context.Context, m *BatchToss) (*BatchTossed, error) {
	return invoke[BatchTossed](ctx, c.Caller, CustodianToss, m)
}

// Reveal calls custodian/Reveal.
func (c CustodianClient) Reveal(ctx context.Context, m *BatchReveal) (*BatchRevealed, error) {
	return invoke[BatchRevealed](ctx, c.Caller, CustodianReveal, m)
}

// Sacrifice calls custodian/Sacrifice.
func (c CustodianClient) Sacrifice(ctx context.Context, m *BatchSacrifice) (*BatchSacrificed, error) {
	return invoke[BatchSacrificed](ctx, c.Caller, CustodianSacrifice, m)
}
