package admin

import (
	"os"
	"path/filepath"

	"nod/disk"
	"nod/orders"
)

const receiptFormat = "nod/receipt/v1"

// receiptFile is a file of the receipts' folder: an order, and what both servers signed for
// it. Its name is the order's hash, so that names of files say nothing of a citizen.
type receiptFile struct {
	Format  string `json:"format"`
	Order   string `json:"order"`   // compact JWS
	Receipt []byte `json:"receipt"` // orders.VerifyReceipt checks it
}

// keepReceipt writes a receipt, durably. The same order's takes the place of an earlier
// one, which said the same.
func keepReceipt(folder string, order, receipt []byte) error {
	data, err := encode(&receiptFile{receiptFormat, string(order), receipt})
	if err != nil {
		return err
	}
	defer clear(data)
	if err := disk.Replace(receiptPath(folder, order), data); err != nil {
		return failed("receipt", err)
	}
	return nil
}

// receiptPath is where an order's receipt is kept.
func receiptPath(folder string, order []byte) string {
	return filepath.Join(folder, orders.HashOrder(order).String()+".json")
}

// privateFolder makes a folder that nobody else may open, or refuses one that others
// may: receipts hold the references of citizens.
func privateFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return failed("receipts", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return failed("receipts", err)
	}
	if err := disk.Private(info); err != nil {
		return failed("receipts", err)
	}
	return nil
}
