package dev

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"nod/admit"
	"nod/config"
	"nod/crypto/seal"
	"nod/custodian"
	"nod/fault"
	"nod/keyring"
	"nod/matcher"
	"nod/orders"
	"nod/process"
	"nod/process/rows"
)

// RotatePad makes a new version of the pad key of a custodian whose process is stopped:
// fault.StoreInUse if it runs.
func (l *Layout) RotatePad(ctx context.Context) (version uint32, err error) {
	err = l.custodian(ctx, func(r *rows.Rows, _ *custodian.Custodian) error {
		version, err = r.Keys.Rotate(ctx, keyring.Pad)
		return err
	})
	return version, err
}

// DestroyOldPads destroys every version of that key but the newest:
// fault.KeyVersion if a template still needs one of them.
func (l *Layout) DestroyOldPads(ctx context.Context) (min uint32, err error) {
	err = l.custodian(ctx, func(r *rows.Rows, c *custodian.Custodian) error {
		info, err := r.Keys.Describe(ctx, keyring.Pad)
		if err != nil {
			return err
		}
		if err := unneeded(ctx, c, info.Latest); err != nil {
			return err
		}
		min = info.Latest
		return r.Keys.Destroy(ctx, keyring.Pad, min)
	})
	return min, err
}

// unneeded holds that no template needs a version of the pad key before the latest.
func unneeded(ctx context.Context, c *custodian.Custodian, latest uint32) error {
	needed, err := c.PadVersions(ctx)
	if err != nil {
		return err
	}
	old := 0
	for version, n := range needed {
		if version < latest {
			old += n
		}
	}
	if old > 0 {
		return fault.New(fault.KeyVersion, "nothing is destroyed: %d templates still need a version of the pad key before %d; run nod renew --all to its end first", old, latest)
	}
	return nil
}

// Halves looks into the stores of a matcher and a custodian whose processes are
// stopped, as only somebody who may open both folders can.
func (l *Layout) Halves(ctx context.Context, citizen orders.Citizen) (h *Halves, err error) {
	err = l.matcher(ctx, func(m *matcher.Matcher) error {
		return l.custodian(ctx, func(r *rows.Rows, c *custodian.Custodian) error {
			h, err = halves(ctx, m, c, r.Keys, citizen)
			return err
		})
	})
	return h, err
}

// custodian opens a custodian's data and keys, for as long as f runs.
func (l *Layout) custodian(ctx context.Context, f func(*rows.Rows, *custodian.Custodian) error) error {
	conf, err := config.LoadCustodian(l.Config(seal.Custodian))
	if err != nil {
		return err
	}
	rules, err := rulesOf(&conf.Trust, conf.LoadParties, &conf.Limits)
	if err != nil {
		return err
	}
	return l.offline(ctx, seal.Custodian, conf.Folder, rules, func(r *rows.Rows, desk *admit.Desk) error {
		return f(r, custodian.New(custodian.Config{Desk: desk, Store: r.Store, Keyring: r.Ring, Audit: r.Audit, Clock: r.Now}))
	})
}

// matcher likewise opens a matcher's.
func (l *Layout) matcher(ctx context.Context, f func(*matcher.Matcher) error) error {
	conf, err := config.LoadMatcher(l.Config(seal.Matcher))
	if err != nil {
		return err
	}
	rules, err := rulesOf(&conf.Trust, conf.LoadParties, &conf.Limits)
	if err != nil {
		return err
	}
	return l.offline(ctx, seal.Matcher, conf.Folder, rules, func(r *rows.Rows, desk *admit.Desk) error {
		return f(matcher.New(matcher.Config{Desk: desk, Store: r.Store, Keyring: r.Ring, Audit: r.Audit, Clock: r.Now}))
	})
}

func rulesOf(t *config.Trust, parties func() (*config.Parties, error), l *config.Limits) (rules rows.Rules, err error) {
	trusted, err := t.Load()
	if err != nil {
		return rules, err
	}
	p, err := parties()
	if err != nil {
		return rules, err
	}
	return rows.RulesOf(trusted, p, l), nil
}

// offline opens a role's data, and leaves every file of it with the owner of its
// folder, whoever runs this.
func (l *Layout) offline(ctx context.Context, role seal.Role, folder string, rules rows.Rules, f func(*rows.Rows, *admit.Desk) error) (err error) {
	p, err := process.Open(ctx, process.Options{Role: role, Folder: folder})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, p.Close())
		if owner, unknown := ownerOf(folder); unknown == nil && os.Getuid() == 0 {
			err = errors.Join(err, giveAll(folder, owner))
		}
	}()
	r, err := rows.Open(ctx, p, rows.Hooks{})
	if err != nil {
		return err
	}
	desk, err := r.Desk(rules)
	if err != nil {
		return err
	}
	return f(r, desk)
}

// Give makes a role's folder, and everything in it, a user's own.
func (l *Layout) Give(role seal.Role, uid, gid uint32) error {
	return giveAll(l.Role(role), &syscall.Credential{Uid: uid, Gid: gid})
}

// giveAll never leaves the folder, whatever links a user puts in it meanwhile.
func giveAll(folder string, owner *syscall.Credential) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fault.New(fault.StoreUnavailable, "giving %s to its user: %w", folder, err)
	}
	defer func() { _ = root.Close() }()
	err = fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
	if err != nil {
		return fault.New(fault.StoreUnavailable, "giving %s to its user: %w", folder, err)
	}
	return nil
}
