package registry

import "testing"

func TestCutPort(t *testing.T) {
	for host, want := range map[string][2]string{
		"registry.example":      {"registry.example", ""},
		"registry.example:5000": {"registry.example", "5000"},
		"*.example:5000":        {"*.example", "5000"},
		"[::1]":                 {"[::1]", ""},
		"[fd00::1]:5000":        {"[fd00::1]", "5000"},
		"[":                     {"[", ""},
		"":                      {"", ""},
	} {
		if name, port := CutPort(host); name != want[0] || port != want[1] {
			t.Errorf("CutPort(%q) = %q, %q; want %q", host, name, port, want)
		}
	}
}
