package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"nod/orders"
	"nod/wire"
)

func (a *app) eraseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "erase CITIZEN",
		Short: "Delete a citizen's templates at both servers",
		Long: `Signs an order with the bureau's key and has both servers carry it out: the matcher
deletes the masked template, the custodian the salt. Either is enough to make the
template unrecoverable, once that side's own backups are gone too.`,
		Example: "  nod erase 4711",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.erase(c.Context(), args[0]) },
	}
}

func (a *app) erase(ctx context.Context, reference string) error {
	who, err := citizen(reference)
	if err != nil {
		return err
	}
	d, err := a.outside(ctx, false)
	if err != nil {
		return err
	}
	now := time.Now()
	order, err := orders.SignOrder(d.Bureau, &orders.Order{
		Kind: orders.Erase, Citizen: who, JTI: rand.Text(),
		IssuedAt: now.Truncate(time.Millisecond), Expiry: now.Add(24 * time.Hour).Truncate(time.Second),
	})
	if err != nil {
		return err
	}
	done, err := d.Matcher.Order(ctx, &wire.OrderRequest{Order: order})
	if err != nil {
		return err
	}
	statements, err := orders.VerifyReceipt(done.Receipt, d.Bundle, orders.Erased, orders.HashOrder(order))
	if err != nil {
		return err
	}
	if a.json {
		a.print(map[string]any{"removed": replaced(statements), "receipt": done.Receipt})
	}
	if replaced(statements) == 0 {
		a.say("nothing was stored under this reference (is it right?); both servers signed the receipt")
		return nil
	}
	a.say("erased: the matcher removed %d template(s), the custodian %d salt(s); both signed the receipt",
		len(statements[0].Removed), len(statements[1].Removed))
	return nil
}

func (a *app) renewCommand() *cobra.Command {
	var rotate, destroy bool
	c := &cobra.Command{
		Use:   "renew",
		Short: "Move every template to the newest pad key, without a photo",
		Long: `Renewal masks every template anew: the custodian gives the difference of the old and
the new pad, and the matcher applies it. Neither sees a template. It can be stopped at
any time and run again.

With --rotate a new version of the pad key is made first. With --destroy the older
versions are destroyed afterwards, if every template was moved: what was ever copied
from the matcher before is then worthless, even to the custodian.`,
		Example: "  nod renew --rotate --destroy",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.renew(c.Context(), rotate, destroy) },
	}
	c.Flags().BoolVar(&rotate, "rotate", false, "make a new version of the pad key first")
	c.Flags().BoolVar(&destroy, "destroy", false, "destroy the older versions afterwards")
	return c
}

func (a *app) renew(ctx context.Context, rotate, destroy bool) error {
	d, err := a.open(ctx)
	if err != nil {
		return err
	}
	if rotate {
		if _, err := d.RotatePad(ctx); err != nil {
			return err
		}
	}
	bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(a.err), progressbar.OptionSetDescription("renewing"),
		progressbar.OptionSetItsString("templates"), progressbar.OptionShowIts(), progressbar.OptionShowCount(),
		progressbar.OptionSetVisibility(a.watched()), progressbar.OptionClearOnFinish())
	var total wire.RenewAnswer
	for more := true; more; more = len(total.Cursor) > 0 {
		page, err := d.Matcher.Renew(ctx, &wire.RenewRequest{Cursor: total.Cursor, Limit: 256})
		if err != nil {
			return err
		}
		total.Cursor = page.Cursor
		total.Seen += page.Seen
		total.Renewed += page.Renewed
		total.Failed += page.Failed
		_ = bar.Add(int(page.Seen)) // a picture: its failure is no failure
	}
	_ = bar.Finish()
	destroyed := ""
	if destroy && total.Failed == 0 {
		min, err := d.DestroyOldPads(ctx)
		if err != nil {
			return err
		}
		destroyed = fmt.Sprintf("; versions below %d of the pad key are destroyed", min)
	}
	if a.json {
		a.print(map[string]any{"seen": total.Seen, "renewed": total.Renewed, "failed": total.Failed, "destroyed": destroyed != ""})
	}
	a.say("%d templates: %d moved to the newest pad key, %d were on it, %d could not be moved%s",
		total.Seen, total.Renewed, total.Seen-total.Renewed-total.Failed, total.Failed, destroyed)
	return nil
}
