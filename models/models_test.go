package models_test

import (
	"bytes"
	"os"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/models"
)

// TestDefaults holds the embedded files together: the policy names the model, the
// model names the network, and the model's file is as Marshal writes it.
func TestDefaults(t *testing.T) {
	m, err := models.Default()
	if err != nil {
		t.Fatal(err)
	}
	p, err := models.DefaultPolicy()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := code.NewPlan(p, map[canon.ModelID]*code.Model{m.ID(): m})
	if err != nil {
		t.Fatal(err)
	}
	if plan.TotalBits() != 1024 || len(plan.Steps) != 2 {
		t.Errorf("%d bits, %d steps", plan.TotalBits(), len(plan.Steps))
	}
	// The digest of face/dlib, which its own test holds to the same value.
	const network = "8b38c1db80d06cd5816a4ae80fc9ecb04e40a3d381e45bd61fa15ad923fa0f3c"
	if m.Network().String() != network || m.Dimension() != 128 || m.Name() != "dlib-resnet-v1" {
		t.Errorf("model %s of network %v", m.Name(), m.Network())
	}
	data, err := os.ReadFile("dlib-resnet-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	f, err := code.ParseFile(data)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := f.Marshal(); err != nil || !bytes.Equal(again, data) {
		t.Error("the model's file is not as Marshal writes it")
	}
}
