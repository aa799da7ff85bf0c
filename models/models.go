// Package models carries the model and the policy that Nod comes with, as the
// files of docs/spec/models.md. A bureau with a network of its own calibrates a
// model of its own and loads that file instead.
package models

import (
	_ "embed"

	"nod/crypto/code"
)

//go:embed dlib-resnet-v1.json
var dlibResNet []byte

//go:embed standard.policy.json
var standard []byte

// Default is dlib-resnet-v1: 1,024 weighted bits of the features of face/dlib. It
// is what the command in docs/spec/models.md, section 6, writes.
func Default() (*code.Model, error) { return code.Parse(dlibResNet) }

// DefaultPolicy is standard: one slot of dlib-resnet-v1 at FMR 1e-3.
func DefaultPolicy() (*code.Policy, error) { return code.ParsePolicy(standard) }

// DefaultFile is Default's file: its exact bytes name the model.
func DefaultFile() []byte { return append([]byte(nil), dlibResNet...) }

// DefaultPolicyFile is DefaultPolicy's file.
func DefaultPolicyFile() []byte { return append([]byte(nil), standard...) }
