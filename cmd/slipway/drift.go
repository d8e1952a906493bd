package main

import "github.com/slipway-build/slipway/configmap"

// driftFlag is a policy's name, checked when flags are read.
type driftFlag configmap.Drift

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *driftFlag) UnmarshalText(text []byte) error {
	if len(text) == 0 { // pipelines pass variables that may be empty
		return nil
	}
	d, err := configmap.ParseDrift(string(text))
	*f = driftFlag(d)
	return err
}
