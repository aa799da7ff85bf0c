package vault

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"nod/fault"
	"nod/keyring"
)

// MACs implements keyring.MACer. Concurrent calls for one key and version share a
// request to Vault. fault.Overloaded means that too many inputs wait already.
//
// The inputs are encoded before it returns; the MACs that come back are in the HTTP
// client's own buffers too, which nobody can wipe.
func (k *Keyring) MACs(ctx context.Context, key keyring.Name, version uint32, inputs [][]byte) ([]keyring.MAC, error) {
	if len(inputs) < 1 || len(inputs) > keyring.MaxBatch {
		return nil, fault.New(fault.OutOfRange, "a batch of %d inputs, 1 to %d", len(inputs), keyring.MaxBatch)
	}
	if ctx.Err() != nil {
		return nil, fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	}
	if err := k.typed(ctx, key); err != nil {
		return nil, err
	}
	if version == 0 { // to Vault it means the latest
		return nil, fault.New(fault.KeyVersion, "key %s has no version 0", key)
	}
	encoded := make([][]byte, len(inputs))
	for i, input := range inputs {
		encoded[i] = base64.StdEncoding.AppendEncode(nil, input)
	}
	return k.queue.do(ctx, lane{key, version}, encoded)
}

// typed holds that a key is for HMACs, once: Vault makes HMACs under keys of any type,
// and a key's type never changes.
func (k *Keyring) typed(ctx context.Context, key keyring.Name) error {
	if _, known := k.hmacs.Load(key); known {
		return nil
	}
	if _, err := k.explain(ctx, key, keyring.HMAC); err != nil {
		return err
	}
	k.hmacs.Store(key, struct{}{})
	return nil
}

// send makes one request of a batch and answers all its calls.
func (k *Keyring) send(b *batch) {
	use := Use{Operation: "hmac", Key: b.key, Version: b.version, Items: b.items}
	var macs []keyring.MAC
	var faults []error
	// The callers' own deadlines are watched by the queue. What is under way ends by
	// itself, so that its answer can be told to the recorder.
	ctx := context.Background()
	err := k.use(ctx, use, b.body(), func(data json.RawMessage) (made int, err error) {
		macs, faults, err = parseBatch(data, b.version, b.items)
		for _, bad := range faults {
			if bad == nil {
				made++
			}
		}
		return made, err
	})
	if err != nil {
		err = k.refused(ctx, b.key, keyring.HMAC, k.path("hmac", b.key), err, func(s *settled) error {
			if i := s.info(b.key); b.version < i.MinUse || b.version > i.Latest {
				return fault.New(fault.KeyVersion, "key %s has versions %d to %d, not %d", b.key, i.MinUse, i.Latest, b.version)
			}
			return nil
		})
	}
	for _, c := range b.calls {
		if err != nil {
			k.queue.deliver(c, nil, err)
			continue
		}
		n := len(c.inputs)
		own, bad := macs[:n:n], errors.Join(faults[:n]...)
		macs, faults = macs[n:], faults[n:]
		if bad != nil {
			wipe(own)
			own = nil
		}
		k.queue.deliver(c, own, bad)
	}
}

// body is the request of a batch. The version stands at the top: in an item Vault
// would ignore it.
func (b *batch) body() []byte {
	size := 64
	for _, c := range b.calls {
		for _, input := range c.inputs {
			size += len(input) + len(`{"input":""},`)
		}
	}
	body := append(make([]byte, 0, size), `{"key_version":`...)
	body = strconv.AppendUint(body, uint64(b.version), 10)
	body = append(body, `,"batch_input":[`...)
	for _, c := range b.calls {
		for _, input := range c.inputs {
			body = append(body, `{"input":"`...)
			body = append(body, input...)
			body = append(body, `"},`...)
		}
	}
	return append(body[:len(body)-1], "]}"...)
}

// parseBatch reads the results of a batch of n inputs, each a MAC or a fault of its own.
func parseBatch(data json.RawMessage, version uint32, n int) (macs []keyring.MAC, faults []error, err error) {
	var reply struct {
		Results []struct {
			HMAC text `json:"hmac"`
		} `json:"batch_results"`
	}
	if json.Unmarshal(data, &reply) != nil || len(reply.Results) != n {
		return nil, nil, malformed("hmac")
	}
	macs, faults = make([]keyring.MAC, n), make([]error, n)
	for i := range reply.Results {
		mac := reply.Results[i].HMAC
		switch {
		case parseMAC(mac, version, &macs[i]):
		case len(mac) == 0:
			faults[i] = fault.New(fault.KeyringUnavailable, "Vault refused input %d of a batch of %d", i+1, n)
		default:
			faults[i] = fault.New(fault.KeyVersion, "Vault answered under another version than %d", version)
		}
		clear(mac)
	}
	return macs, faults, nil
}

// use makes one recorded use of a key. read takes the answer and says how many items
// it has.
func (k *Keyring) use(ctx context.Context, u Use, body []byte, read func(json.RawMessage) (int, error)) error {
	if ctx.Err() != nil {
		return fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	}
	u.ID = newID()
	var out Outcome
	k.recorder.Sent(u)
	defer func() { k.recorder.Ended(u, out) }()
	data, id, err := k.do(withHeader(ctx, BatchHeader, u.ID), http.MethodPut, k.path(u.Operation, u.Key), body)
	defer clear(data)
	out.RequestID = id
	// A server that failed may have done it, or its proxy speaks in its place.
	if status := statusOf(err); err == nil || status != 0 && status < http.StatusInternalServerError {
		out.Answered = true
	}
	if err != nil {
		return err
	}
	out.Made, err = read(data)
	return err
}
