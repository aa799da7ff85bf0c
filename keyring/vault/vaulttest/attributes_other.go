//go:build !linux

package vaulttest

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }
